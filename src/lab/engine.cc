#include "lab/engine.hh"

#include "base/errors.hh"

namespace tl {

std::unique_ptr<Engine> make_engine(const std::string& name, std::string&) {
  throw UsageError{"engine '" + name + "': expected auto, docker or netns"};
}

}  // namespace tl
