#include "probe/counter_files.hh"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>

#include "base/errors.hh"
#include "base/fd.hh"

namespace tl {
namespace {

using Rows = std::vector<std::pair<std::string, CounterValues>>;

// A text file that is written in large pieces.
class RowFile {
 public:
  RowFile(const std::filesystem::path& path, const std::string& naming)
      : path_{path}, fd_{open_fd(path, O_WRONLY | O_CREAT | O_TRUNC)} {
    text_ = fmt::format("time_ns,{}{}{}\n", naming, naming.empty() ? "" : ",", kCounterColumns);
  }
  void add(std::int64_t time_ns, const std::string& name, const CounterValues& values) {
    fmt::format_to(std::back_inserter(text_), "{},{}{}{}\n", time_ns, name, name.empty() ? "" : ",",
                   counter_columns(values));
    if (text_.size() > kPiece) flush();
  }
  void finish() {
    flush();
    if (::fsync(fd_.get()) != 0) throw_errno("sync", path_.native());
  }

 private:
  static constexpr std::size_t kPiece = 1 << 18;
  void flush() {
    write_all(fd_.get(), text_, path_.native());
    text_.clear();
  }
  std::filesystem::path path_;
  UniqueFd fd_;
  std::string text_;
};

}  // namespace

std::string counter_columns(const CounterValues& v) {
  return fmt::format("{},{},{},{},{},{},{},{}", v.rx_bytes, v.rx_packets, v.tx_bytes, v.tx_packets,
                     v.rx_wire_bytes, v.rx_wire_packets, v.tx_wire_bytes, v.tx_wire_packets);
}

CounterValues total_of(const Bucket& bucket, const SeriesNames& names) {
  CounterValues sum;
  for (std::size_t i = 0; i < names.device_series; ++i) sum += bucket.series[i];
  return sum;
}

Rows containers_of(const Bucket& bucket, const SeriesNames& names) {
  Rows rows;
  for (std::size_t i = 1; i < names.devices.size(); ++i) {
    const DeviceName& name = names.devices[i];
    if (name.service.empty()) continue;
    auto row = std::find_if(rows.begin(), rows.end(),
                            [&](const auto& r) { return r.first == name.service; });
    if (row == rows.end()) row = rows.insert(rows.end(), {name.service, {}});
    if (!name.is_loopback) row->second += bucket.series[i];
  }
  return rows;
}

Rows devices_of(const Bucket& bucket, const SeriesNames& names) {
  Rows rows;
  for (std::size_t i = 0; i < names.devices.size(); ++i)
    if (!names.devices[i].netns.empty())
      rows.emplace_back(names.devices[i].netns + "," + names.devices[i].device, bucket.series[i]);
  return rows;
}

Rows ports_of(const Bucket& bucket, const SeriesNames& names) {
  Rows rows;
  std::size_t cell = names.device_series;
  for (const std::uint16_t port : names.ports)
    for (const char* side : {"local", "remote"})
      rows.emplace_back(fmt::format("{},{}", port, side), bucket.series[cell++]);
  rows.emplace_back("unparsed,any", bucket.series[cell]);
  return rows;
}

void write_counter_files(const std::filesystem::path& folder, CounterSpool& spool,
                         const CounterGrid& grid, const SeriesNames& names) {
  RowFile total{folder / "total.csv", ""}, container{folder / "container.csv", "container"},
      device{folder / "device.csv", "netns,device"}, port{folder / "port.csv", "port,side"};
  const std::size_t cells = names.device_series + names.ports.size() * TL_PORT_SIDES + 1;
  spool.each(cells, [&](const Bucket& bucket) {
    const std::int64_t time_ns = grid.time_of(bucket.epoch);
    total.add(time_ns, "", total_of(bucket, names));
    for (const auto& [name, values] : containers_of(bucket, names))
      container.add(time_ns, name, values);
    for (const auto& [name, values] : devices_of(bucket, names)) device.add(time_ns, name, values);
    for (const auto& [name, values] : ports_of(bucket, names)) port.add(time_ns, name, values);
  });
  for (RowFile* file : {&total, &container, &device, &port}) file->finish();
}

}  // namespace tl
