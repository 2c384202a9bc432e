#include "spec/settings.hh"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "base/errors.hh"
#include "base/units.hh"

namespace tl {
namespace {

using E = Experiment;
using Text = std::string_view;

template <class Number>
Number number(Text text, std::int64_t low, std::int64_t high, Text what) {
  return static_cast<Number>(parse_integer(text, low, high, what));
}

bool parse_switch(Text text, Text what) {
  if (text == "true" || text == "yes") return true;
  if (text == "false" || text == "no") return false;
  throw UsageError{fmt::format("{} '{}': expected true or false", what, text)};
}

std::string one_of(Text text, std::initializer_list<Text> allowed, Text what) {
  if (std::find(allowed.begin(), allowed.end(), text) != allowed.end()) return std::string{text};
  throw UsageError{fmt::format("{} '{}': expected {}", what, text, fmt::join(allowed, ", "))};
}

std::string parse_name(Text text) {
  constexpr Text kAllowed = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-";
  if (text.empty() || text.size() > 64 || text[0] == '.' ||
      text.find_first_not_of(kAllowed) != Text::npos)
    throw UsageError{fmt::format(
        "name '{}': expected up to 64 letters, digits, '.', '_' and '-', no leading '.'", text)};
  return std::string{text};
}

// A name as in tcp_available_congestion_control(tcp(7)).
std::string parse_algorithm(Text text) {
  if (text.size() > 15 ||
      text.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789_-") != Text::npos)
    throw UsageError{fmt::format("congestion '{}': expected a name such as cubic or reno", text)};
  return std::string{text};
}

std::uint64_t parse_link_rate(Text text) {
  const std::uint64_t rate_bps = parse_bitrate(text, "link rate");
  if (rate_bps != 0 && (rate_bps < 100'000 || rate_bps > 100'000'000'000))
    throw UsageError{fmt::format("link rate '{}': expected 100k to 100G, or 0", text)};
  return rate_bps;
}

// "0.1%": in millionths, exactly.
std::uint32_t parse_loss(Text text) {
  const auto refuse = [&] {
    throw UsageError{fmt::format("loss '{}': expected 0% to 100%, up to four decimals", text)};
  };
  if (text == "0") return 0;
  if (!text.ends_with('%')) refuse();
  const Text number = text.substr(0, text.size() - 1);
  const std::size_t dot = std::min(number.find('.'), number.size());
  std::string decimals{number.substr(std::min(dot + 1, number.size()))};
  if (decimals.size() > 4 || dot == 0 || (dot < number.size() && decimals.empty())) refuse();
  decimals.resize(4, '0');
  const auto ppm = parse_integer(std::string{number.substr(0, dot)}, 0, 100, "loss") * 10'000 +
                   parse_integer(decimals, 0, 9999, "loss");
  if (ppm > 1'000'000) refuse();
  return static_cast<std::uint32_t>(ppm);
}

std::string loss_text(std::uint32_t ppm) {
  return ppm == 0 ? "0" : fmt::format("{}.{:04}%", ppm / 10'000, ppm % 10'000);
}

constexpr std::array kSettings{
    Setting{"name", "--name", "part of the bundle's folder name",
            [](E& e, Text t) { e.name = parse_name(t); }, [](const E& e) { return e.name; }},
    Setting{"engine", "--engine", "what makes the lab: auto, docker or netns",
            [](E& e, Text t) {
              e.engine = one_of(t, {"auto", "docker", "netns"}, "engine");
            },
            [](const E& e) { return e.engine; }},
    Setting{"duration", "--duration", "length of the traffic, whole seconds (60s, 5m)",
            [](E& e, Text t) { e.duration = parse_duration(t, "duration"); },
            [](const E& e) { return format_duration(e.duration); }},
    Setting{"interval", "--interval", "bucket width of the counters, 100us to 1s",
            [](E& e, Text t) { e.interval = parse_duration(t, "interval"); },
            [](const E& e) { return format_duration(e.interval); }},
    Setting{"traffic.protocol", "--protocol", "tcp or udp",
            [](E& e, Text t) {
              e.protocol =
                  one_of(t, {"tcp", "udp"}, "protocol") == "udp" ? Protocol::udp : Protocol::tcp;
            },
            [](const E& e) { return std::string{e.protocol == Protocol::udp ? "udp" : "tcp"}; }},
    Setting{"traffic.port", "--port", "port of the iperf server, 1 to 65535",
            [](E& e, Text t) { e.port = number<std::uint16_t>(t, 1, 65535, "port"); },
            [](const E& e) { return std::to_string(e.port); }},
    Setting{"traffic.parallel", "--parallel", "streams at once, 1 to 128",
            [](E& e, Text t) { e.parallel = parse_integer(t, 1, 128, "parallel"); },
            [](const E& e) { return std::to_string(e.parallel); }},
    Setting{"traffic.bitrate", "--bitrate",
            "of each stream, bits per second (10M, 1G); 0 is iperf3's default",
            [](E& e, Text t) { e.bitrate_bps = parse_bitrate(t, "bitrate"); },
            [](const E& e) { return std::to_string(e.bitrate_bps); }},
    Setting{"traffic.reverse", "--reverse", "the server sends: true or false",
            [](E& e, Text t) { e.reverse = parse_switch(t, "reverse"); },
            [](const E& e) { return std::string{e.reverse ? "true" : "false"}; }},
    Setting{"traffic.congestion", "--congestion",
            "congestion control of TCP, such as cubic or reno; empty is the kernel's default",
            [](E& e, Text t) { e.congestion = parse_algorithm(t); },
            [](const E& e) { return e.congestion; }},
    Setting{"traffic.mss", "--mss", "maximum segment size of TCP, 88 to 9216; 0 is the path's",
            [](E& e, Text t) {
              e.mss_bytes = t == "0" ? 0 : number<std::uint32_t>(t, 88, 9216, "mss");
            },
            [](const E& e) { return std::to_string(e.mss_bytes); }},
    Setting{"capture.snaplen", "--snaplen", "bytes kept of each packet, 34 to 262144",
            [](E& e, Text t) { e.snaplen_bytes = number<std::uint32_t>(t, 34, 262144, "snaplen"); },
            [](const E& e) { return std::to_string(e.snaplen_bytes); }},
    Setting{"capture.ring", "--ring", "capture ring of each point (32M)",
            [](E& e, Text t) {
              e.ring_bytes = parse_bytes(t, "ring");
              if (e.ring_bytes < (1U << 20) || e.ring_bytes > (1U << 30))
                throw UsageError{fmt::format("ring '{}': expected 1M to 1G", t)};
            },
            [](const E& e) { return std::to_string(e.ring_bytes); }},
    Setting{"capture.filter", "--filter",
            "pcap filter of what is captured; empty captures everything",
            [](E& e, Text t) { e.filter = t; }, [](const E& e) { return e.filter; }},
    Setting{"link.rate", "--link-rate",
            "what each service may send, bits per second (tbf); 0 is any",
            [](E& e, Text t) { e.link.rate_bps = parse_link_rate(t); },
            [](const E& e) { return std::to_string(e.link.rate_bps); }},
    Setting{
        "link.delay", "--link-delay", "added to what each service sends (netem); 0 is none",
        [](E& e, Text t) {
          e.link.delay = t == "0" ? std::chrono::nanoseconds{0} : parse_duration(t, "delay");
        },
        [](const E& e) { return e.link.delay.count() == 0 ? "0" : format_duration(e.link.delay); }},
    Setting{"link.loss", "--link-loss", "share of the frames that each service loses (netem): 0.1%",
            [](E& e, Text t) { e.link.loss_ppm = parse_loss(t); },
            [](const E& e) { return loss_text(e.link.loss_ppm); }},
};

}  // namespace

std::span<const Setting> settings() { return kSettings; }

void check(const Experiment& e) {
  using namespace std::chrono_literals;
  if (e.interval < 100us || e.interval > 1s)
    throw UsageError{
        fmt::format("interval '{}': expected 100us to 1s", format_duration(e.interval))};
  if (e.duration % 1s != 0ns || e.duration > 24h)
    throw UsageError{
        fmt::format("duration '{}': expected whole seconds (iperf3 counts in them), 1s to 24h",
                    format_duration(e.duration))};
  if (e.protocol == Protocol::udp && (!e.congestion.empty() || e.mss_bytes != 0))
    throw UsageError{"traffic.congestion and traffic.mss are of TCP, the protocol is udp"};
}

}  // namespace tl
