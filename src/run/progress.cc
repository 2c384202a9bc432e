#include "run/progress.hh"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>

#include "base/messages.hh"
#include "base/units.hh"

namespace tl {

Progress::Progress(std::FILE* to) : to_{to}, is_terminal_{::isatty(::fileno(to)) == 1} {}

Progress::~Progress() { clear_bar(); }

void Progress::clear_bar() {
  if (bar_shown_) write_message(to_, "\r\033[K");
  bar_shown_ = false;
}

void Progress::phase(const std::string& name, const std::string& text) {
  clear_bar();
  const double seconds = static_cast<double>(monotonic_ns() - begin_ns_) / 1e9;
  write_message(to_, fmt::format("[{:7.3f} s] {:<9} {}\n", seconds, name, text));
}

void Progress::note(const std::string& text) {
  clear_bar();
  write_message(to_, fmt::format("            {}\n", text));
}

void Progress::traffic(std::chrono::nanoseconds elapsed, std::chrono::nanoseconds total,
                       double rx_bps, double tx_bps, std::uint64_t drops) {
  if (!is_terminal_) return;
  constexpr int kWidth = 30;
  const double share = std::clamp(
      static_cast<double>(elapsed.count()) / static_cast<double>(total.count()), 0.0, 1.0);
  const int filled = static_cast<int>(share * kWidth);
  write_message(
      to_, fmt::format("\r\033[K  [{:#<{}}{:.<{}}] {:3.0f} %  server RX {}  TX {}  drops {}", "",
                       filled, "", kWidth - filled, share * 100, human_bitrate(rx_bps),
                       human_bitrate(tx_bps), drops));
  bar_shown_ = true;
}

}  // namespace tl
