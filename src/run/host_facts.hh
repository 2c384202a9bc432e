// Facts about the machine and the software that ran, for the manifest. Nothing from the
// environment, so no secrets.
#pragma once

#include <nlohmann/json.hpp>

namespace tl {

// {"kernel", "kernel_command_line", "distribution", "cpu": {"model", "online", "governor"},
// "memory_bytes", "clock_source", "boot_id", "virtualisation"…}; what cannot be read is null.
nlohmann::json host_facts();
// Versions of trafficlab and of every library and tool that measured: {"trafficlab": "0.1.0",
// "iperf": "3.12", …}.
nlohmann::json tool_versions();

}  // namespace tl
