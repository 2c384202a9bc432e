// Link-layer header types as capture files number them (LINKTYPE_…,
// draft-ietf-opsawg-pcaplinktype).
#pragma once

#include <cstdint>
#include <string>

namespace tl {

// "ethernet", "linux-sll2", …, or "linktype-147" for one without a name here.
std::string link_type_name(std::uint32_t link_type);

}  // namespace tl
