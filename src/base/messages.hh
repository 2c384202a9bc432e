// Lines for people on stderr. Whoever reads them may go away at any time (a lost terminal, a closed
// pipe), which is no reason to give up what they tell of: writing never fails.
#pragma once

#include <fmt/format.h>

#include <cstdio>
#include <string_view>
#include <utility>

namespace tl {

// What cannot be written is lost.
void write_message(std::FILE* to, std::string_view text) noexcept;

// fmt::print to stderr, but for its exception when the write fails.
template <class... Args>
void print_message(fmt::format_string<Args...> format, Args&&... args) {
  write_message(stderr, fmt::format(format, std::forward<Args>(args)...));
}

}  // namespace tl
