#include "lab/subnet.hh"

#include <arpa/inet.h>
#include <fmt/format.h>

#include <algorithm>

#include "base/errors.hh"
#include "base/netlink.hh"
#include "base/units.hh"

namespace tl {
namespace {

std::uint32_t mask_of(int prefix_length) {
  return prefix_length == 0 ? 0 : ~0U << (32 - prefix_length);
}

std::string dotted(std::uint32_t address) {
  return fmt::format("{}.{}.{}.{}", address >> 24, (address >> 16) & 255, (address >> 8) & 255,
                     address & 255);
}

}  // namespace

bool Subnet::overlaps(const Subnet& other) const {
  const std::uint32_t mask = mask_of(std::min(prefix_length, other.prefix_length));
  return (base & mask) == (other.base & mask);
}

std::string Subnet::address(std::uint32_t index) const { return dotted(base + index); }

std::string Subnet::text() const { return fmt::format("{}/{}", dotted(base), prefix_length); }

Subnet parse_subnet(const std::string& text) {
  const std::size_t slash = text.find('/');
  in_addr parsed{};
  if (slash == std::string::npos ||
      ::inet_pton(AF_INET, text.substr(0, slash).c_str(), &parsed) != 1)
    throw UsageError{fmt::format("subnet '{}': expected A.B.C.D/N", text)};
  const auto length =
      static_cast<int>(parse_integer(text.substr(slash + 1), 1, 30, "subnet prefix"));
  return {ntohl(parsed.s_addr) & mask_of(length), length};
}

Subnet free_subnet(const std::vector<Subnet>& taken) {
  constexpr std::uint32_t kFirst = 198U << 24 | 18U << 16, kSize = 1U << 17, kBlock = 16;
  for (std::uint32_t offset = 0; offset < kSize; offset += kBlock) {
    const Subnet candidate{kFirst + offset, 28};
    if (std::none_of(taken.begin(), taken.end(),
                     [&](const Subnet& t) { return t.overlaps(candidate); }))
      return candidate;
  }
  throw MachineError{"find a subnet: 198.18.0.0/15 is fully taken"};
}

std::vector<Subnet> local_subnets() {
  std::vector<Subnet> subnets;
  // A single address is taken for the smallest subnet that holds it.
  const auto add = [&](const std::string& address, int prefix_length) {
    if (prefix_length > 0)
      subnets.push_back(parse_subnet(fmt::format("{}/{}", address, std::min(prefix_length, 30))));
  };
  for (const Address& a : list_addresses())
    if (!a.is_ipv6) add(a.text, a.prefix_length);
  for (const Route& r : list_routes()) add(r.destination, r.prefix_length);
  return subnets;
}

}  // namespace tl
