#include "probe/counter_rows.hh"

#include <fmt/format.h>

#include <iterator>

namespace tl {
namespace {

using Rows = std::vector<std::pair<std::string, CounterValues>>;

Rows rows_of(RowKind kind, const Bucket& bucket, const SeriesNames& names) {
  switch (kind) {
    case RowKind::total:
      return {{"", total_of(bucket, names)}};
    case RowKind::container:
      return containers_of(bucket, names);
    case RowKind::port:
      return ports_of(bucket, names);
  }
  return {};
}

// "80,local" → "port": 80, "side": "local"; a container's name as JSON has it.
std::string name_members(RowKind kind, const std::string& name) {
  if (kind == RowKind::total) return "";
  if (kind == RowKind::container)
    return fmt::format("\"container\":{},", nlohmann::json(name).dump());
  const std::size_t comma = name.find(',');
  return fmt::format("\"port\":\"{}\",\"side\":\"{}\",", name.substr(0, comma),
                     comma == std::string::npos ? "" : name.substr(comma + 1));
}

}  // namespace

std::string RowWriter::header() const {
  if (format_ != RowFormat::csv) return "";
  const char* naming = kind_ == RowKind::total       ? ""
                       : kind_ == RowKind::container ? "container,"
                                                     : "port,side,";
  return fmt::format("time_ns,{}{}\n", naming, kCounterColumns);
}

void RowWriter::write_text(const Bucket& bucket, const SeriesNames& names, bool is_partial,
                           std::string& to) const {
  const auto since_start =
      static_cast<std::int64_t>(bucket.epoch - first_epoch_) * grid_.interval_ns;
  auto out = std::back_inserter(to);
  fmt::format_to(out, "time {} ns{}\n", since_start, is_partial ? " (partial)" : "");
  for (const auto& [name, v] : rows_of(kind_, bucket, names)) {
    const char* gap = name.empty() ? "" : " ";
    fmt::format_to(out, "RX {}{}bytes {} packets {}\nTX {}{}bytes {} packets {}\n", name, gap,
                   v.rx_bytes, v.rx_packets, name, gap, v.tx_bytes, v.tx_packets);
  }
  to += "--------\n";
}

std::uint64_t RowWriter::write(const Bucket& bucket, const SeriesNames& names, bool is_partial,
                               std::string& to) const {
  if (format_ == RowFormat::text) {
    write_text(bucket, names, is_partial, to);
    return 1;
  }
  auto out = std::back_inserter(to);
  const std::int64_t time_ns = grid_.time_of(bucket.epoch);
  const Rows rows = rows_of(kind_, bucket, names);
  for (const auto& [name, v] : rows) {
    if (format_ == RowFormat::csv)
      fmt::format_to(out, "{},{}{}{}\n", time_ns, name, name.empty() ? "" : ",",
                     counter_columns(v));
    else
      fmt::format_to(
          out,
          "{{\"time_ns\":{},{}\"rx_bytes\":{},\"rx_packets\":{},\"tx_bytes\":{},\"tx_packets\":{},"
          "\"rx_wire_bytes\":{},\"rx_wire_packets\":{},\"tx_wire_bytes\":{},\"tx_wire_packets\":{},"
          "\"partial\":{}}}\n",
          time_ns, name_members(kind_, name), v.rx_bytes, v.rx_packets, v.tx_bytes, v.tx_packets,
          v.rx_wire_bytes, v.rx_wire_packets, v.tx_wire_bytes, v.tx_wire_packets, is_partial);
  }
  return rows.size();
}

}  // namespace tl
