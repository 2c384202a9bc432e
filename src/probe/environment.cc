#include "probe/environment.hh"

#include <filesystem>
#include <vector>

#include "base/ethtool.hh"
#include "base/netlink.hh"

namespace tl {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

json sysctls() {
  json values = json::object();
  const fs::path root{"/proc/sys/net"};
  std::error_code error;
  for (auto it =
           fs::recursive_directory_iterator{root, fs::directory_options::skip_permission_denied,
                                            error};
       !error && it != fs::recursive_directory_iterator{}; it.increment(error)) {
    const std::string name = it->path().lexically_relative("/proc/sys").native();
    const bool per_device =
        name.find("/conf/") != std::string::npos && name.find("/conf/all") == std::string::npos;
    if (it->is_directory(error)) {
      if (per_device || name.find("/neigh") != std::string::npos) it.disable_recursion_pending();
      continue;
    }
    std::string key = name;
    for (char& c : key) c = c == '/' ? '.' : c;
    const std::string value = read_value(it->path());
    if (!value.empty()) values[key] = value;
  }
  return values;
}

}  // namespace

json describe_namespace(const NetNs& netns) {
  return netns.run([] {
    json devices = json::object();
    const UniqueFd rtnetlink = open_rtnetlink();
    std::vector<Link> links = list_links(rtnetlink);
    const std::vector<Address> addresses = list_addresses();
    for (const Link& link : links) {
      json texts = json::array();
      for (const Address& a : addresses)
        if (a.ifindex == link.ifindex)
          texts.push_back(a.text + "/" + std::to_string(a.prefix_length));
      devices[link.name] = {{"kind", link.kind},
                            {"mtu", link.mtu},
                            {"qdisc", link.qdisc},
                            {"addresses", texts},
                            {"gso_max_size", link.gso_max_size},
                            {"offloads", offloads_of(rtnetlink, link.name)}};
    }
    return json{{"sysctls", sysctls()}, {"devices", devices}};
  });
}

}  // namespace tl
