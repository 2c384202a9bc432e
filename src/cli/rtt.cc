#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <cstdio>
#include <optional>

#include "base/messages.hh"
#include "base/privileges.hh"
#include "base/signals.hh"
#include "base/units.hh"
#include "cli/command.hh"
#include "cli/namespace_option.hh"
#include "live/collectors.hh"
#include "live/packet_tap.hh"
#include "live/pushgateway.hh"
#include "live/rtt_histogram.hh"

namespace tl {
namespace {

using std::chrono::milliseconds;

struct RttWords {
  std::string file, filter, duration, interval = "10s", label_by = "ack", password_file;
  std::vector<std::string> labels;
  bool adds = false, removes_at_end = false;
  live::PacketTapOptions tap;
  live::RttHistogramOptions histogram;
  live::PushOptions push;
};

void bind_source(CLI::App& app, RttWords& words) {
  CLI::Option* file = app.add_option("FILE", words.file, "a capture instead of a device");
  app.add_option("-i,--interface", words.tap.device, "device to listen on")->excludes(file);
  app.add_option("-f,--filter", words.filter, "only these packets, as in pcap-filter(7)");
  app.add_option("--duration", words.duration, "end after this time; else at Ctrl-C");
  app.add_option("--label-by", words.label_by,
                 "source and destination are those of the ACK, or of the sender it answers")
      ->check(CLI::IsMember({"ack", "sender"}))
      ->capture_default_str();
  app.add_option("--max-pairs", words.histogram.most_pairs,
                 "at most so many pairs of addresses; the rest is \"other\"")
      ->capture_default_str();
  app.add_option("--metric", words.histogram.name, "name of the histogram, in seconds")
      ->capture_default_str();
}

void bind_push(CLI::App& app, RttWords& words) {
  CLI::Option* url = app.add_option("--push-url", words.push.url,
                                    "Pushgateway, as http://127.0.0.1:9091; else stdout gets the "
                                    "page at the end");
  app.add_option("--interval", words.interval, "time between two pushes")->capture_default_str();
  app.add_option("--job", words.push.group.job, "job of the grouping key")
      ->default_val("trafficlab_rtt")
      ->capture_default_str();
  app.add_option("--group", words.labels, "further label of the grouping key, NAME=VALUE");
  app.add_flag("--push-add", words.adds,
               "leave the group's metrics of other names (POST); else the push replaces all of it")
      ->needs(url);
  app.add_flag("--remove-at-end", words.removes_at_end, "delete the group when ending")->needs(url);
  app.add_option("--user", words.push.user, "basic authentication")->needs(url);
  app.add_option("--password-file", words.password_file, "file with the password")->needs(url);
  app.add_option("--ca", words.push.ca_file, "PEM of the gateway's CA")->needs(url);
  app.add_option("--certificate", words.push.certificate_file, "PEM, shown to the gateway")
      ->needs(url);
  app.add_option("--key", words.push.key_file, "PEM, of the certificate")->needs(url);
}

void complete(RttWords& words) {
  if (words.file.empty() && words.tap.device.empty())
    throw UsageError{"rtt: name a device (-i) or a capture file"};
  words.tap.filter = words.filter.empty() ? "tcp" : fmt::format("tcp and ({})", words.filter);
  words.histogram.label_by_sender = words.label_by == "sender";
  for (const std::string& label : words.labels)
    words.push.group.labels.push_back(live::parse_label(label));
  words.push.instance_by_address = true;  // two hosts must not overwrite each other
  if (!words.password_file.empty())
    words.push.password = live::Secret::from_file(words.password_file);
}

// Where the numbers go: a gateway, or stdout once at the end.
class RttOutput {
 public:
  RttOutput(const live::Registry& registry, const RttWords& words)
      : registry_{registry}, adds_{words.adds}, removes_at_end_{words.removes_at_end} {
    if (!words.push.url.empty()) gateway_.emplace(words.push);
  }
  // A push that fails is made up for by the next: the numbers are cumulative.
  void push() {
    if (!gateway_) return;
    try {
      send();
    } catch (const MachineError& e) {
      spdlog::warn("{}", e.what());
    }
  }
  // Throws MachineError when the last numbers do not arrive.
  void end() {
    if (!gateway_)
      fmt::print("{}", live::encode(registry_.collect(), live::Format::text));
    else if (removes_at_end_)
      gateway_->remove();
    else
      send();
  }

 private:
  void send() {
    if (adds_)
      gateway_->push_add(registry_.collect());
    else
      gateway_->push(registry_.collect());
  }

  const live::Registry& registry_;
  std::optional<live::Pushgateway> gateway_;
  bool adds_, removes_at_end_;
};

void listen(live::PacketTap& tap, Walk& walk, const RttWords& words, RttOutput& output,
            StopSignals& stop) {
  const auto interval = parse_duration(words.interval, "interval");
  const Deadline end{words.duration.empty() ? std::chrono::hours{24 * 365}
                                            : parse_duration(words.duration)};
  constexpr milliseconds kLookForSignals{100};
  for (Deadline next{interval}; !stop.received() && !end.passed();) {
    tap.read(walk, kLookForSignals);
    if (!next.passed()) continue;
    output.push();
    next = Deadline{interval};
  }
  tap.read(walk, milliseconds{40});  // what the kernel still held back in an unfinished block
}

ExitCode measure_live(const RttWords& words, const NetNs& netns) {
  StopSignals stop;
  Walk walk;
  RttObserver observer;
  walk.add(observer);
  live::Registry registry;
  live::RttHistogram histogram{registry, walk.flows(), words.histogram};
  observer.table().send_samples_to(&histogram);
  live::PacketTap tap{netns, words.tap};
  drop_capabilities();
  registry.add(live::rtt_collector(observer.table(), [&] { return tap.statistics(); }));
  RttOutput output{registry, words};
  print_message("listening: {}\n", words.tap.device);
  listen(tap, walk, words, output, stop);
  output.end();
  const RingStatistics& seen = tap.statistics();
  print_message("{}: {} TCP packets, {} dropped by the kernel, {} round-trip times{}\n",
                words.tap.device, seen.received, seen.dropped, histogram.samples(),
                histogram.others() == 0
                    ? ""
                    : fmt::format(", {} of pairs beyond --max-pairs", histogram.others()));
  return ExitCode::pass;
}

ExitCode measure_file(const RttWords& words) {
  CaptureReader reader = CaptureReader::open(words.file);
  Pass pass{reader};
  RttObserver observer;
  live::Registry registry;
  live::RttHistogram histogram{registry, pass.flows(), words.histogram};
  observer.table().send_samples_to(&histogram);
  pass.add(observer);
  registry.add(live::rtt_collector(observer.table(), {}));
  RttOutput output{registry, words};
  const Stop& stop = pass.run();
  output.end();
  if (stop.clean()) return ExitCode::pass;
  print_message("trafficlab: {}: {}\n", words.file, stop_text(stop));
  return ExitCode::inconclusive;
}

}  // namespace

ExitCode command_rtt(const Args& args) {
  CLI::App app{
      "Round-trip times of TCP, passively, as a histogram with the labels Source_IP and "
      "Destination_IP",
      "trafficlab rtt"};
  app.footer(
      "Example: trafficlab rtt -i eth0 --push-url http://127.0.0.1:9091 --interval 10s\n"
      "The rules of a sample are those of `trafficlab pcap rtt` (docs/pcap-rtt.md).");
  RttWords words;
  bind_source(app, words);
  bind_push(app, words);
  const NamespaceOption where{app};
  if (const auto done = parse(app, args)) return *done;
  complete(words);
  return words.file.empty() ? measure_live(words, where.open()) : measure_file(words);
}

}  // namespace tl
