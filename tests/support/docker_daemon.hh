// A real Docker engine of the test's own: own socket, own data, own mount namespace, and by default
// its own network namespace, in which it may set up bridges, firewall rules and sysctls as it does
// on any machine. Nothing of it is seen by the host's network or by another engine on this machine.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/netns.hh"
#include "base/process.hh"
#include "lab/docker_api.hh"
#include "support/temporary.hh"

namespace tl::test {

enum class DaemonNetwork {
  own,   // a namespace with nothing but lo: what labs need
  host,  // this one's, without bridges, firewall and forwarding: for builds, which fetch packages
};

class DockerDaemon {
 public:
  // Starts it and waits until it answers. Images are kept below build/ between test programs, so
  // only one of them runs an engine at a time; the others wait.
  explicit DockerDaemon(DaemonNetwork network = DaemonNetwork::own);
  // Stops it, and removes every process, mount and cgroup that it left.
  ~DockerDaemon();
  DockerDaemon(const DockerDaemon&) = delete;
  DockerDaemon& operator=(const DockerDaemon&) = delete;

  [[nodiscard]] std::string host() const;  // for DOCKER_HOST
  [[nodiscard]] std::vector<std::pair<std::string, std::string>> environment() const;
  [[nodiscard]] DockerApi api() const { return DockerApi{host()}; }
  [[nodiscard]] pid_t pid() const { return daemon_->pid(); }
  // Runs it again after its process has ended.
  void start();
  // SIGTERM, as a service manager does; containers end with it.
  void stop();
  // The `docker` client talking to it; throws when the command fails.
  std::string docker(Argv words) const;

  // A small image with Debian's base packages, made when missing.
  [[nodiscard]] std::string base_image() const;
  // Everything that a lab could leave in it, one line each, sorted: containers, networks, volumes,
  // and the links and firewall rules of its network namespace.
  [[nodiscard]] std::vector<std::string> inventory() const;

 private:
  void end_everything();

  UniqueFd lock_;
  TemporaryFolder folder_;
  DaemonNetwork network_;
  NetNs netns_;
  std::string cgroup_;
  bool made_config_folder_ = false;
  std::optional<Child> daemon_;
};

// Makes the image of this tree's lab in the tests' engines, unless they have it. Call while no
// DockerDaemon exists. Takes minutes when there is something to build.
void make_lab_image();

// Sets an environment variable of this process for a scope.
class ScopedVariable {
 public:
  ScopedVariable(std::string name, const std::string& value);
  ~ScopedVariable();
  ScopedVariable(const ScopedVariable&) = delete;
  ScopedVariable& operator=(const ScopedVariable&) = delete;

 private:
  std::string name_;
  std::optional<std::string> before_;
};

}  // namespace tl::test
