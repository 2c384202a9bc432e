#include "analysis/packet.hh"

#include <fmt/core.h>

namespace tl {

std::string stop_reason_name(StopReason reason) {
  switch (reason) {
    case StopReason::end:
      return "end";
    case StopReason::cut:
      return "cut";
    case StopReason::damaged:
      return "damaged";
    case StopReason::joined:
      return "joined";
    case StopReason::unreadable:
      return "unreadable";
  }
  return "unknown";
}

std::string stop_text(const Stop& stop) {
  return fmt::format("{} at byte {} after {} packets: {}", stop_reason_name(stop.reason),
                     stop.offset, stop.packet_index, stop.detail);
}

}  // namespace tl
