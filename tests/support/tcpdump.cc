#include "support/tcpdump.hh"

#include <fcntl.h>
#include <fmt/format.h>

#include <csignal>
#include <cstring>
#include <stdexcept>

#include "support/processes.hh"
#include "support/veth_pair.hh"

namespace tl::test {
namespace {

using namespace std::chrono_literals;

// pcap-savefile(5) in this machine's byte order.
constexpr std::size_t kFileHeader = 24, kRecordHeader = 16, kSourceMac = 6, kMacBytes = 6;

std::string mac_text(const std::string& bytes, std::size_t at) {
  std::string text;
  for (std::size_t i = 0; i < kMacBytes; ++i)
    text += fmt::format("{}{:02x}", i == 0 ? "" : ":", static_cast<unsigned char>(bytes[at + i]));
  return text;
}

std::map<std::string, Frames> read_frames(const std::string& bytes) {
  std::map<std::string, Frames> frames;
  for (std::size_t at = kFileHeader; at + kRecordHeader <= bytes.size();) {
    std::uint32_t kept = 0, original = 0;
    std::memcpy(&kept, bytes.data() + at + 8, sizeof kept);
    std::memcpy(&original, bytes.data() + at + 12, sizeof original);
    if (at + kRecordHeader + kept > bytes.size()) break;
    Frames& sum = frames[mac_text(bytes, at + kRecordHeader + kSourceMac)];
    sum.packets += 1;
    sum.bytes += original;
    at += kRecordHeader + kept;
  }
  return frames;
}

}  // namespace

Tcpdump::Tcpdump(const NetNs& netns, const std::string& device) : child_{start(netns, device)} {
  const auto listens = [&] {
    return read_value(folder_.path() / "err").find("listening on") != std::string::npos;
  };
  if (!eventually(listens, 10s))
    throw std::runtime_error{"tcpdump: " + read_value(folder_.path() / "err")};
}

Child Tcpdump::start(const NetNs& netns, const std::string& device) {
  const UniqueFd err = open_fd(folder_.path() / "err", O_WRONLY | O_CREAT | O_APPEND);
  ChildOptions options;
  options.stderr_fd = err.get();
  return Child{
      Argv{"nsenter", "--net=" + path_of(netns), "tcpdump", "-Z", "root", "-n", "--immediate-mode",
           "-U", "-B", "65536", "-s", "64", "-i", device, "-w", file().native()},
      options};
}

std::map<std::string, Frames> Tcpdump::finish(std::uint64_t packets) {
  std::map<std::string, Frames> frames;
  (void)eventually(
      [&] {
        frames = read_frames(read_file(file()));
        std::uint64_t found = 0;
        for (const auto& [mac, sum] : frames) found += sum.packets;
        return found >= packets;
      },
      10s);
  child_.signal(SIGINT);
  (void)child_.wait(10s);
  return read_frames(read_file(file()));
}

}  // namespace tl::test
