#include "base/messages.hh"

namespace tl {

void write_message(std::FILE* to, std::string_view text) noexcept {
  (void)std::fwrite(text.data(), 1, text.size(), to);
  (void)std::fflush(to);
}

}  // namespace tl
