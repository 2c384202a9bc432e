// What decides how a namespace's traffic behaves, for the manifest: sysctls, queueing disciplines,
// offloads, MTUs.
#pragma once

#include <nlohmann/json.hpp>

#include "base/netns.hh"

namespace tl {

// {"sysctls": {"net.ipv4.tcp_congestion_control": "cubic", …}, "devices": {"eth0": {"kind", "mtu",
// "qdisc", "gso_max_size", "offloads": {"tx-tcp-segmentation": true, …}, "addresses": […]}}}.
// Per-device sysctls are left out, but for conf/all. What cannot be read is left out as well.
nlohmann::json describe_namespace(const NetNs& netns);

}  // namespace tl
