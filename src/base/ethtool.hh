// What ethtool(8) says about a device.
#pragma once

#include <map>
#include <string>

#include "base/fd.hh"

namespace tl {

// The offload features that the device has or could have, by the names that `ethtool
// --show-features` knows, and whether they are on. `socket`: any of the device's namespace, an
// rtnetlink one, too. Empty when the device does not say.
std::map<std::string, bool> offloads_of(const UniqueFd& socket, const std::string& device);

}  // namespace tl
