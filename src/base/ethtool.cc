#include "base/ethtool.hh"

#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <sys/ioctl.h>

#include <cstring>
#include <vector>

namespace tl {
namespace {

// One ETHTOOL ioctl on the device with any of ethtool.h's request structures (they start with the
// command).
bool ethtool(const UniqueFd& socket, const std::string& device, void* request) {
  ifreq wanted{};
  std::strncpy(wanted.ifr_name, device.c_str(), IFNAMSIZ - 1);
  wanted.ifr_data = static_cast<char*>(request);
  return ::ioctl(socket.get(), SIOCETHTOOL, &wanted) == 0;
}

// The names of all features that the kernel knows, in bit order.
std::vector<std::string> feature_names(const UniqueFd& socket, const std::string& device) {
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

}  // namespace

std::map<std::string, bool> offloads_of(const UniqueFd& socket, const std::string& device) {
  const std::vector<std::string> names = feature_names(socket, device);
  const std::size_t blocks = (names.size() + 31) / 32;
  std::vector<char> bytes(sizeof(ethtool_gfeatures) + blocks * sizeof(ethtool_get_features_block));
  auto* features = reinterpret_cast<ethtool_gfeatures*>(bytes.data());
  features->cmd = ETHTOOL_GFEATURES;
  features->size = static_cast<__u32>(blocks);
  std::map<std::string, bool> result;
  if (names.empty() || !ethtool(socket, device, features)) return result;
  for (std::size_t i = 0; i < names.size(); ++i) {
    const ethtool_get_features_block& block = features->features[i / 32];
    const __u32 bit = 1U << (i % 32);
    // Only what the device has or could have; the full list is 60 mostly absent names.
    if (((block.active | block.available) & bit) != 0) result[names[i]] = (block.active & bit) != 0;
  }
  return result;
}

}  // namespace tl
