#include <arpa/inet.h>

#include <cstring>

#include "analysis/decode.hh"

namespace tl {

std::string address_text(const Address16& address, std::uint8_t ip_version) {
  char text[INET6_ADDRSTRLEN] = "";
  const int family = ip_version == 6 ? AF_INET6 : AF_INET;
  if (::inet_ntop(family, address.bytes.data(), text, sizeof text) == nullptr) return "?";
  return text;
}

std::optional<Address16> address_from_text(const std::string& text, std::uint8_t& ip_version) {
  Address16 address;
  ip_version = text.find(':') == std::string::npos ? 4 : 6;
  const int family = ip_version == 6 ? AF_INET6 : AF_INET;
  if (::inet_pton(family, text.c_str(), address.bytes.data()) != 1) return std::nullopt;
  return address;
}

std::string protocol_name(std::uint8_t protocol) {
  switch (protocol) {
    case 1:
      return "icmp";
    case 2:
      return "igmp";
    case kProtocolTcp:
      return "tcp";
    case kProtocolUdp:
      return "udp";
    case 47:
      return "gre";
    case 50:
      return "esp";
    case 58:
      return "icmpv6";
    case 89:
      return "ospf";
    case 132:
      return "sctp";
    case 136:
      return "udplite";
    default:
      return std::to_string(protocol);
  }
}

}  // namespace tl
