// The embedded engine: services as processes in network namespaces, joined by a bridge. Clean by
// construction: the namespaces have no names and the bridge stands in one of them, so nothing of
// the host's own network is touched, and the kernel removes all of it with the last process.
// Services die with the controller (PR_SET_PDEATHSIG).
#pragma once

#include <memory>

#include "lab/engine.hh"

namespace tl {

std::unique_ptr<Engine> make_netns_engine();

}  // namespace tl
