// What makes a lab: an engine brings the services of a Compose file up, each in its own network
// namespace, and takes them down again without leaving anything behind. Two engines: docker
// (containers) and netns (processes).
#pragma once

#include <sys/types.h>

#include <chrono>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/process.hh"
#include "base/signals.hh"
#include "lab/subnet.hh"

namespace tl {

// What a lab is made from. The engine chooses a free subnet (198.18.0.0/15) and device names, sets
// them beside `variables`, and resolves ${NAME} and ${NAME:-default} in the Compose file with both.
struct LabRequest {
  std::filesystem::path compose_file;
  std::string run_id;  // short, unique, [a-z0-9]; every name on the host is tl-<run_id>…
  std::map<std::string, std::string> variables;
  std::filesystem::path log_folder;  // one file a service is written here
  // Chooses a free subnet that overlaps none of `taken` either, and records it as this run's.
  std::function<Subnet(const std::vector<Subnet>& taken)> choose_subnet;
  // Writes a resource into the run's journal; called before it is made.
  std::function<void(const std::string& key, const std::string& value)> record;
  // Hears one line about what takes long.
  std::function<void(const std::string& line)> note;
};

// A service that is up. Its pid is the one of the host's pid namespace.
struct Service {
  std::string name;
  pid_t pid = 0;
  std::string address;  // IPv4 address in the lab's network; empty for a service without one
  std::string device;   // its device in the lab's network, inside its namespace; empty without one
  std::string container_id;  // empty on the netns engine
};

// How a service ended.
struct ServiceEnd {
  ExitStatus status;
  bool out_of_memory = false;
};

class Engine {
 public:
  virtual ~Engine() = default;
  // "docker" or "netns".
  [[nodiscard]] virtual std::string name() const = 0;
  // Facts for the manifest: engine version, image name and digest, Compose version.
  [[nodiscard]] virtual std::map<std::string, std::string> facts() const = 0;
  // Brings the lab up: returns once every service is running. Throws UsageError for a Compose file
  // it cannot run (file, line, key), MachineError when the engine fails, TrafficError when a
  // service ends at once, Interrupted when `stop` receives a signal. After a throw nothing is left
  // up.
  virtual std::vector<Service> up(const LabRequest& request, StopSignals& stop) = 0;
  // Sends a signal to the first process of a service; nothing happens when it has ended.
  virtual void signal(const std::string& service, int number) = 0;
  // How the service ended, or nullopt while it runs; never blocks for long. Throws MachineError
  // when the engine itself no longer answers.
  virtual std::optional<ServiceEnd> ended(const std::string& service) = 0;
  // Throws MachineError when the engine itself is going away, which ends its services first: it is
  // watched for about a second.
  virtual void check() {}
  // Writes the services' logs to the request's log folder. Never throws: a lab that fails must
  // still come down.
  virtual void collect_logs() = 0;
  // Takes everything down, also what a failed up() left half-made. Idempotent; the destructor calls
  // it. Problems are returned as lines for people.
  virtual std::vector<std::string> down() = 0;
};

// Makes the engine "docker", "netns" or "auto" (Docker when its engine answers, else netns). `why`
// receives one clause that says why it was taken, for the user. Throws UsageError for another name,
// MachineError when it is not usable.
std::unique_ptr<Engine> make_engine(const std::string& name, std::string& why);

}  // namespace tl
