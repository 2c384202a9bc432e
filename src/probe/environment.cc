#include "probe/environment.hh"

#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <cstring>
#include <filesystem>
#include <vector>

#include "base/netlink.hh"

namespace tl {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

// One ETHTOOL ioctl on the device with any of ethtool.h's request structures (they start with the
// command).
bool ethtool(int socket, const std::string& device, void* request) {
  ifreq wanted{};
  std::strncpy(wanted.ifr_name, device.c_str(), IFNAMSIZ - 1);
  wanted.ifr_data = static_cast<char*>(request);
  return ::ioctl(socket, SIOCETHTOOL, &wanted) == 0;
}

// The names of all offload features the kernel knows, in bit order.
std::vector<std::string> feature_names(int socket, const std::string& device) {
  alignas(ethtool_sset_info) char info_bytes[sizeof(ethtool_sset_info) + sizeof(__u32)]{};
  auto* info = reinterpret_cast<ethtool_sset_info*>(info_bytes);
  info->cmd = ETHTOOL_GSSET_INFO;
  info->sset_mask = 1ULL << ETH_SS_FEATURES;
  if (!ethtool(socket, device, info) || info->sset_mask == 0) return {};
  const __u32 count = info->data[0];
  std::vector<char> bytes(sizeof(ethtool_gstrings) + std::size_t{count} * ETH_GSTRING_LEN);
  auto* strings = reinterpret_cast<ethtool_gstrings*>(bytes.data());
  strings->cmd = ETHTOOL_GSTRINGS;
  strings->string_set = ETH_SS_FEATURES;
  strings->len = count;
  if (!ethtool(socket, device, strings)) return {};
  std::vector<std::string> names;
  for (__u32 i = 0; i < count; ++i) {
    const char* name = bytes.data() + sizeof(ethtool_gstrings) + std::size_t{i} * ETH_GSTRING_LEN;
    names.emplace_back(name, ::strnlen(name, ETH_GSTRING_LEN));
  }
  return names;
}

json offloads(const std::string& device) {
  const UniqueFd socket{::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0)};
  const std::vector<std::string> names = feature_names(socket.get(), device);
  const std::size_t blocks = (names.size() + 31) / 32;
  std::vector<char> bytes(sizeof(ethtool_gfeatures) + blocks * sizeof(ethtool_get_features_block));
  auto* features = reinterpret_cast<ethtool_gfeatures*>(bytes.data());
  features->cmd = ETHTOOL_GFEATURES;
  features->size = static_cast<__u32>(blocks);
  json result = json::object();
  if (names.empty() || !ethtool(socket.get(), device, features)) return result;
  for (std::size_t i = 0; i < names.size(); ++i) {
    const ethtool_get_features_block& block = features->features[i / 32];
    const __u32 bit = 1U << (i % 32);
    // Only what the device has or could have; the full list is 60 mostly absent names.
    if (((block.active | block.available) & bit) != 0) result[names[i]] = (block.active & bit) != 0;
  }
  return result;
}

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
    std::vector<Link> links = list_links();
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
                            {"offloads", offloads(link.name)}};
    }
    return json{{"sysctls", sysctls()}, {"devices", devices}};
  });
}

}  // namespace tl
