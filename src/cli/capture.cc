#include "probe/capture.hh"

#include <fmt/format.h>

#include <cstdio>
#include <thread>

#include "base/messages.hh"
#include "base/privileges.hh"
#include "base/signals.hh"
#include "base/units.hh"
#include "cli/command.hh"
#include "cli/namespace_option.hh"
#include "probe/capture_agent.hh"

namespace tl {
namespace {

// What the words of the command line mean.
struct CaptureOrder {
  CaptureOptions capture;
  std::optional<std::chrono::nanoseconds> duration;  // nullopt: until a signal
  bool keeps_privileges = false;
  bool prints_json = false;
};

constexpr std::chrono::hours kLongWait{24};

std::filesystem::path folder_of(const std::filesystem::path& file) {
  return file.has_parent_path() ? file.parent_path() : ".";
}

// The summary for people: what was seen, where it is, and whether it adds up.
std::string describe(const nlohmann::json& account) {
  const auto number = [&](const char* key) { return account.at(key).get<std::uint64_t>(); };
  const double seconds = static_cast<double>(account.at("stopped_ns").get<std::int64_t>() -
                                             account.at("armed_ns").get<std::int64_t>()) /
                         1e9;
  std::string text = fmt::format(
      "{}: {} packets ({}) in {:.1f} s written to {}; received {} = written + {} dropped by the "
      "kernel + {} discarded, {} unexplained",
      account.at("device").get<std::string>(), number("written"), human_bytes(number("bytes")),
      seconds, account.at("file").get<std::string>(), number("received"), number("kernel_dropped"),
      number("discarded"), account.at("unexplained").dump());
  if (!account.at("reason").is_null())
    text += fmt::format("\npartial: {}", account.at("reason").get<std::string>());
  return text;
}

ExitCode capture_until_told(const CaptureOrder& order, const NetNs& netns) {
  StopSignals stop;
  Capture capture{netns, order.capture};
  // The files then belong to the owner of their folder.
  if (!order.keeps_privileges) drop_privileges_to_owner(folder_of(order.capture.file));
  capture.arm();
  const std::string& device = order.capture.device;
  print_message("armed: {} → {}{}\n", device, order.capture.file.native(),
                order.duration ? "" : " (Ctrl-C ends it)");
  std::atomic<bool> ending = false;
  std::atomic<bool> has_ended = false;
  nlohmann::json account;
  std::exception_ptr failure;
  std::thread thread{[&] {
    try {
      capture.run(ending);
      account = capture.finish();
    } catch (...) {
      failure = std::current_exception();
    }
    has_ended = true;
  }};
  const Deadline deadline{order.duration.value_or(kLongWait)};
  while (!has_ended && !stop.wait(Deadline{std::chrono::milliseconds{20}})) {
    if (order.duration && deadline.passed()) break;
  }
  ending = true;
  thread.join();
  if (failure) std::rethrow_exception(failure);
  print_message("{}\n", describe(account));
  if (order.prints_json) fmt::print("{}\n", account.dump(1));
  return account.at("outcome") == "ok" ? ExitCode::pass : ExitCode::inconclusive;
}

// Options of both forms.
struct Words {
  std::string run_folder, device, filter, duration, file, minutes;
  std::string snaplen = "96", ring = "32M", min_free = "16M";
  bool prints_json = false, keeps_privileges = false;
  std::string rotate_size, rotate_time, stop_bytes, hook;
  std::uint64_t rotate_packets = 0, stop_packets = 0;
  std::uint32_t files = 0;
};

void add_common_options(CLI::App& app, Words& words) {
  app.add_option("-i,--interface", words.device, "device to capture on");
  app.add_option("-f,--filter", words.filter, "which packets, as in pcap-filter(7); default: all");
  app.add_option("--snaplen", words.snaplen, "bytes kept of each packet")->capture_default_str();
  app.add_option("--ring", words.ring, "memory for packets not yet written")->capture_default_str();
  app.add_option("--min-free", words.min_free, "stop before the disk has less free than this")
      ->capture_default_str();
  app.add_flag("--json", words.prints_json, "print the account on stdout");
  app.add_flag("--keep-privileges", words.keeps_privileges,
               "stay root instead of becoming the owner of the output folder");
}

void add_limits(CLI::App& app, Words& words) {
  app.add_option("--rotate-size", words.rotate_size, "begin another file at this size, as 100M");
  app.add_option("--rotate-time", words.rotate_time, "begin another file after this time, as 1m");
  app.add_option("--rotate-packets", words.rotate_packets, "begin another file after so many");
  app.add_option("--files", words.files, "keep at most so many files, the newest");
  app.add_option("--after-rotate", words.hook, "program to run with each finished file's path");
  app.add_option("-c,--stop-packets", words.stop_packets, "end after so many packets");
  app.add_option("--stop-bytes", words.stop_bytes, "end once so much is written, as 1G");
}

void apply_limits(const Words& words, CaptureOptions& capture) {
  Rotation& rotation = capture.rotation;
  if (!words.rotate_size.empty()) rotation.bytes = parse_bytes(words.rotate_size, "rotate-size");
  if (!words.rotate_time.empty()) rotation.time = parse_duration(words.rotate_time, "rotate-time");
  rotation.packets = words.rotate_packets;
  rotation.most_files = words.files;
  rotation.hook = words.hook;
  if (rotation.most_files != 0 && !rotation.is_on())
    throw UsageError{"--files: needs --rotate-size, --rotate-time or --rotate-packets"};
  capture.stop_packets = words.stop_packets;
  if (!words.stop_bytes.empty()) capture.stop_bytes = parse_bytes(words.stop_bytes, "stop-bytes");
}

CaptureOrder order_of(const Words& words) {
  constexpr std::int64_t kLargestSnaplen = 262144;
  constexpr std::uint64_t kLargestRing = 4ULL << 30;
  CaptureOrder order;
  order.capture.device = words.device;
  order.capture.filter = words.filter;
  if (words.file == "-")
    throw UsageError{
        "write -: a capture goes to a file (its account lies beside it), not to stdout"};
  order.capture.file = output_target(words.file);
  order.capture.snaplen_bytes =
      static_cast<std::uint32_t>(parse_integer(words.snaplen, 1, kLargestSnaplen, "snaplen"));
  order.capture.ring_bytes = parse_bytes(words.ring, "ring");
  if (order.capture.ring_bytes == 0 || order.capture.ring_bytes > kLargestRing)
    throw UsageError{fmt::format("ring '{}': expected up to 4G", words.ring)};
  order.capture.min_free_bytes = parse_bytes(words.min_free, "min-free");
  apply_limits(words, order.capture);
  if (!words.duration.empty()) order.duration = parse_duration(words.duration);
  order.prints_json = words.prints_json;
  order.keeps_privileges = words.keeps_privileges;
  if (!std::filesystem::is_directory(folder_of(order.capture.file)))
    throw UsageError{fmt::format("file '{}': its folder does not exist", words.file)};
  check_filter(order.capture.filter, order.capture.snaplen_bytes);
  return order;
}

void require(const std::string& value, const char* option) {
  if (value.empty()) throw UsageError{fmt::format("{} is required", option)};
}

}  // namespace

ExitCode command_capture(const Args& args) {
  CLI::App app{"Live capture with an account in which every packet has its place",
               "trafficlab capture"};
  app.footer(
      "Beside FILE.pcap is FILE.capture.json, its account.\n"
      "Example: trafficlab capture -i lo -f 'tcp port 9090' -d 10m -w out.pcap\n"
      "Example: trafficlab capture --container web -i eth0 -w web.pcap\n"
      "Example: trafficlab capture -i eth0 -w day.pcap --rotate-time 1h --files 24\n"
      "Example: trafficlab capture timed out.pcap 10");
  Words words;
  add_common_options(app, words);
  app.add_option("-d,--duration", words.duration, "250ms, 10s, 5m, 1h; default: until Ctrl-C");
  app.add_option("-w,--write", words.file, "the capture file");
  add_limits(app, words);
  const NamespaceOption where{app};
  app.add_option("--run-folder", words.run_folder, "serve a run (bundle/control.hh)")
      ->check(CLI::ExistingDirectory);
  CLI::App* timed = app.add_subcommand("timed", "FILE MINUTES, on lo and port 9090 by default");
  add_common_options(*timed, words);
  timed->add_option("FILE", words.file, "the capture file")->required();
  timed->add_option("MINUTES", words.minutes, "how long")->required();
  if (const auto done = parse(app, args)) return *done;
  if (!words.run_folder.empty()) return serve_captures(words.run_folder);
  if (timed->parsed()) {
    if (words.device.empty()) words.device = "lo";
    if (words.filter.empty()) words.filter = "tcp port 9090";
    words.duration = words.minutes + "m";
  }
  require(words.device, "--interface");
  require(words.file, "--write");
  return capture_until_told(order_of(words), where.open());
}

}  // namespace tl
