#include "lab/engine.hh"

#include "base/errors.hh"
#include "lab/netns_engine.hh"

namespace tl {

std::unique_ptr<Engine> make_engine(const std::string& name, std::string& why) {
  if (name == "netns") {
    why = "as asked";
    return make_netns_engine();
  }
  if (name == "docker") throw MachineError{"docker engine: not available"};
  why = "no Docker engine answers";
  return make_netns_engine();
}

}  // namespace tl
