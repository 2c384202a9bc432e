// The part of Docker's Engine API (version 1.41 and later) that the docker engine needs: everything
// that is asked of Docker, but for bringing a Compose file up and building an image.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "base/http.hh"
#include "lab/subnet.hh"

namespace tl {

// DOCKER_HOST, else the socket of the system's engine, else that of the user's own (rootless) one.
std::string default_docker_host();

enum class DockerKind { container, network, volume };
std::string_view name_of(DockerKind kind);

// A container, network or volume in a listing.
struct DockerObject {
  std::string id;    // a volume's is its name
  std::string name;  // without the leading slash of containers
  std::map<std::string, std::string> labels;
  [[nodiscard]] std::string label(const std::string& key) const;  // empty when it has none
};

struct DockerContainer {
  std::string name;  // without the leading slash
  pid_t pid = 0;     // of its first process, in the engine's pid namespace
};

// Every method throws MachineError "docker engine: …" when the engine does not answer within its
// limit or refuses. For one thread at a time.
class DockerApi {
 public:
  // `host` is unix://PATH, tcp://HOST:PORT or http://HOST:PORT; throws UsageError for anything
  // else.
  explicit DockerApi(std::string host);

  [[nodiscard]] const std::string& host() const { return host_; }
  // Asks for a sign of life.
  void ping(std::chrono::milliseconds limit = std::chrono::seconds{5});
  [[nodiscard]] nlohmann::json version();

  // All objects, also stopped ones, that carry the label ("NAME" or "NAME=VALUE").
  std::vector<DockerObject> list(DockerKind kind, const std::string& label);
  // Removes one, a running container too; nothing happens when it is gone already.
  void remove(DockerKind kind, const std::string& id);

  // The containers that run now.
  std::vector<DockerContainer> running();
  // The first process of a running container, by name or id, in the engine's pid namespace. Throws
  // UsageError when there is no such container or it does not run.
  pid_t pid_of(const std::string& container);
  // Everything the engine says about a container (ContainerInspect).
  nlohmann::json inspect(const std::string& container);
  // Sends a signal to a container's first process; nothing happens when it does not run.
  void signal(const std::string& container, int number);
  // The last lines that a container wrote to stdout and stderr, in order.
  std::string logs(const std::string& container, int lines);

  // The id of an image, or nullopt when the engine does not have it.
  std::optional<std::string> image_id(const std::string& name);
  // Removes images that have no name and carry the label.
  void prune_images(const std::string& label);
  // The IPv4 subnets of all networks.
  std::vector<Subnet> subnets();

 private:
  // The answer of a request whose status is 2xx or `accepted`.
  HttpResponse request(const std::string& method, const std::string& path, int accepted = 0,
                       std::chrono::milliseconds limit = std::chrono::seconds{10});
  std::string host_, base_url_;
  std::filesystem::path socket_;
  HttpClient client_;
};

// The payload of a container's log stream without a terminal: frames of an 8-byte header (stream,
// three zeros, length in network byte order) and that many bytes. A frame that is cut off ends it.
std::string demultiplexed(std::string_view stream);

}  // namespace tl
