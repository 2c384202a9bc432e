// The link-layer half of decoding: where the network header begins, and of which protocol it is.
#pragma once

#include <cstdint>

#include "analysis/packet.hh"

namespace tl {

struct LinkPayload {
  enum Kind : std::uint8_t {
    unknown,  // link type not understood, or its header is cut
    other,    // a known link header with a protocol that is not IP
    ipv4,
    ipv6,
    ip  // either: the version nibble decides
  };
  Kind kind = unknown;
  std::uint8_t direction = 0;  // kReceived, kSent or 0, when the link header tells
  std::uint32_t offset = 0;    // of the network header
};

LinkPayload link_payload(const Packet& packet);

}  // namespace tl
