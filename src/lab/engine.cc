#include "lab/engine.hh"

#include <fmt/format.h>

#include "base/errors.hh"
#include "lab/docker_api.hh"
#include "lab/docker_engine.hh"
#include "lab/netns_engine.hh"

namespace tl {
namespace {

// Docker when it is usable, else the reason why not.
std::unique_ptr<Engine> try_docker(std::string& reason) {
  try {
    return make_docker_engine(default_docker_host());
  } catch (const Error& e) {
    reason = e.what();
    return nullptr;
  }
}

}  // namespace

std::unique_ptr<Engine> make_engine(const std::string& name, std::string& why) {
  why = "as asked";
  if (name == "netns") return make_netns_engine();
  if (name == "docker") return make_docker_engine(default_docker_host());
  if (name != "auto")
    throw UsageError{fmt::format("engine '{}': expected auto, docker or netns", name)};
  std::string reason;
  if (auto docker = try_docker(reason)) {
    why = "a Docker engine answers";
    return docker;
  }
  why = "no Docker: " + reason;
  return make_netns_engine();
}

}  // namespace tl
