#include "analysis/link_type.hh"

namespace tl {

std::string link_type_name(std::uint32_t link_type) {
  switch (link_type) {
    case 0:
      return "loopback-bsd";
    case 1:
      return "ethernet";
    case 9:
      return "ppp";
    case 12:
    case 14:
    case 101:
      return "raw-ip";
    case 108:
      return "loopback-openbsd";
    case 113:
      return "linux-sll";
    case 228:
      return "ipv4";
    case 229:
      return "ipv6";
    case 276:
      return "linux-sll2";
    default:
      return "linktype-" + std::to_string(link_type);
  }
}

}  // namespace tl
