#include <fmt/core.h>

#include <chrono>

#include "analysis/capture_summary.hh"
#include "base/units.hh"
#include "cli/pcap.hh"

namespace tl {
namespace {

struct Bandwidth {
  std::uint64_t bytes;
  double seconds;
  [[nodiscard]] double bits_per_second() const { return static_cast<double>(bytes) * 8 / seconds; }
  [[nodiscard]] double kilobytes() const { return static_cast<double>(bytes) / 1e3; }
  [[nodiscard]] double megabytes() const { return static_cast<double>(bytes) / 1e6; }
};

std::string bandwidth_text(const Bandwidth& b) {
  return fmt::format(
      "Data size: {} bytes\n"
      "Data size: {:.3f} KB (1 KB = 1000 bytes)\n"
      "Data size: {:.6f} MB (1 MB = 1000000 bytes)\n"
      "Bandwidth: {:.3f} bps (bits per second, over {} s)\n"
      "Bandwidth: {:.6f} kbps (1000 bits per second)\n"
      "Bandwidth: {:.9f} Mbps (1000000 bits per second)\n",
      b.bytes, b.kilobytes(), b.megabytes(), b.bits_per_second(), b.seconds,
      b.bits_per_second() / 1e3, b.bits_per_second() / 1e6);
}

std::string bandwidth_csv(const Bandwidth& b) {
  return fmt::format(
      "data_bytes,data_kb,data_mb,seconds,bandwidth_bps,bandwidth_kbps,bandwidth_mbps\n"
      "{},{:.3f},{:.6f},{},{:.3f},{:.6f},{:.9f}\n",
      b.bytes, b.kilobytes(), b.megabytes(), b.seconds, b.bits_per_second(),
      b.bits_per_second() / 1e3, b.bits_per_second() / 1e6);
}

std::string bandwidth_json(const Bandwidth& b, const Stop& stop) {
  const nlohmann::ordered_json json{{"schema", "trafficlab.pcap.bandwidth/1"},
                                    {"data_bytes", b.bytes},
                                    {"data_kb", b.kilobytes()},
                                    {"data_mb", b.megabytes()},
                                    {"seconds", b.seconds},
                                    {"bandwidth_bps", b.bits_per_second()},
                                    {"bandwidth_kbps", b.bits_per_second() / 1e3},
                                    {"bandwidth_mbps", b.bits_per_second() / 1e6},
                                    {"stop", stop_json(stop)}};
  return json.dump(1) + "\n";
}

}  // namespace

ExitCode command_pcap_bandwidth(const Args& args) {
  CLI::App app{"Data size of a capture, and its bandwidth over a stated time",
               "trafficlab pcap bandwidth"};
  std::string path, seconds;
  FormFlags form;
  app.add_option("FILE", path, "pcap or pcapng, also compressed; - is stdin")->required();
  app.add_option("SECONDS", seconds, "how long the traffic took: 60, 1.5, or 250ms, 5m")
      ->required();
  form.bind(app);
  app.footer("Example: trafficlab pcap bandwidth capture.pcap 60");
  if (const auto done = parse(app, args)) return *done;
  const double time =
      std::chrono::duration<double>(parse_duration(seconds, "duration in seconds")).count();

  CaptureReader reader = CaptureReader::open(path);
  std::uint64_t bytes = 0;
  for (auto batch = reader.next_batch(); !batch.empty(); batch = reader.next_batch())
    for (const Packet& packet : batch) bytes += packet.length_bytes;
  const Bandwidth bandwidth{bytes, time};
  StdoutWriter out;
  switch (form.form()) {
    case ReportForm::text:
      out.write(bandwidth_text(bandwidth));
      break;
    case ReportForm::csv:
      out.write(bandwidth_csv(bandwidth));
      break;
    case ReportForm::json:
      out.write(bandwidth_json(bandwidth, reader.stop()));
      break;
  }
  out.flush();
  return judge(path, reader.stop(), nullptr, nullptr);
}

}  // namespace tl
