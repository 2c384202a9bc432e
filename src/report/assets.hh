// The report page's own sources (web/, third_party/uplot), built into the program.
#pragma once

#include <span>
#include <string_view>

namespace tl {

struct Asset {
  std::string_view name, text;
};

std::span<const Asset> assets();  // generated: cmake/embed_text.cmake

}  // namespace tl
