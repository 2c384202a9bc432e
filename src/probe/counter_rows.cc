#include "probe/counter_rows.hh"

#include <fmt/format.h>

#include <iterator>
#include <utility>
#include <vector>

namespace tl {
namespace {

constexpr const char* kOfferedColumns =
    ",offered_bytes,offered_packets,offered_wire_bytes,offered_wire_packets";

struct Row {
  std::string name;
  CounterValues values;
  CounterValues offered;  // in tx_…
};

std::vector<std::pair<std::string, CounterValues>> named_values(RowKind kind, const Bucket& bucket,
                                                                const SeriesNames& names) {
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

std::vector<Row> rows_of(RowKind kind, const Bucket& bucket, const SeriesNames& names) {
  std::vector<Row> rows;
  for (auto& [name, values] : named_values(kind, bucket, names))
    rows.push_back({std::move(name), values, {}});
  if (bucket.offered.empty()) return rows;
  const auto offered = named_values(kind, {bucket.epoch, bucket.offered, {}}, names);
  for (std::size_t i = 0; i < rows.size(); ++i) rows[i].offered = offered.at(i).second;
  return rows;
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

void append_text(std::string& to, const Row& row, Offered offered) {
  const char* gap = row.name.empty() ? "" : " ";
  const auto line = [&](const char* direction, std::uint64_t bytes, std::uint64_t packets) {
    fmt::format_to(std::back_inserter(to), "{} {}{}bytes {} packets {}\n", direction, row.name, gap,
                   bytes, packets);
  };
  line("RX", row.values.rx_bytes, row.values.rx_packets);
  line("TX", row.values.tx_bytes, row.values.tx_packets);
  if (offered == Offered::shown) line("OFFERED", row.offered.tx_bytes, row.offered.tx_packets);
}

void append_csv(std::string& to, const Row& row, std::int64_t time_ns, Offered offered) {
  const auto out = std::back_inserter(to);
  fmt::format_to(out, "{},{}{}{}", time_ns, row.name, row.name.empty() ? "" : ",",
                 counter_columns(row.values));
  const CounterValues& o = row.offered;
  if (offered == Offered::shown)
    fmt::format_to(out, ",{},{},{},{}", o.tx_bytes, o.tx_packets, o.tx_wire_bytes,
                   o.tx_wire_packets);
  to += '\n';
}

void append_json(std::string& to, const Row& row, RowKind kind, std::int64_t time_ns,
                 bool is_partial, Offered offered) {
  const auto out = std::back_inserter(to);
  const CounterValues &v = row.values, &o = row.offered;
  fmt::format_to(
      out,
      "{{\"time_ns\":{},{}\"rx_bytes\":{},\"rx_packets\":{},\"tx_bytes\":{},\"tx_packets\":{},"
      "\"rx_wire_bytes\":{},\"rx_wire_packets\":{},\"tx_wire_bytes\":{},\"tx_wire_packets\":{},",
      time_ns, name_members(kind, row.name), v.rx_bytes, v.rx_packets, v.tx_bytes, v.tx_packets,
      v.rx_wire_bytes, v.rx_wire_packets, v.tx_wire_bytes, v.tx_wire_packets);
  if (offered == Offered::shown)
    fmt::format_to(out,
                   "\"offered_bytes\":{},\"offered_packets\":{},\"offered_wire_bytes\":{},"
                   "\"offered_wire_packets\":{},",
                   o.tx_bytes, o.tx_packets, o.tx_wire_bytes, o.tx_wire_packets);
  fmt::format_to(out, "\"partial\":{}}}\n", is_partial);
}

}  // namespace

std::string RowWriter::header() const {
  if (format_ != RowFormat::csv) return "";
  const char* naming = kind_ == RowKind::total       ? ""
                       : kind_ == RowKind::container ? "container,"
                                                     : "port,side,";
  return fmt::format("time_ns,{}{}{}\n", naming, kCounterColumns,
                     offered_ == Offered::shown ? kOfferedColumns : "");
}

std::uint64_t RowWriter::write(const Bucket& bucket, const SeriesNames& names, bool is_partial,
                               std::string& to) const {
  const std::vector<Row> rows = rows_of(kind_, bucket, names);
  if (format_ == RowFormat::text) {
    const auto since_start =
        static_cast<std::int64_t>(bucket.epoch - first_epoch_) * grid_.interval_ns;
    to += fmt::format("time {} ns{}\n", since_start, is_partial ? " (partial)" : "");
    for (const Row& row : rows) append_text(to, row, offered_);
    to += "--------\n";
    return 1;
  }
  const std::int64_t time_ns = grid_.time_of(bucket.epoch);
  for (const Row& row : rows)
    format_ == RowFormat::csv ? append_csv(to, row, time_ns, offered_)
                              : append_json(to, row, kind_, time_ns, is_partial, offered_);
  return rows.size();
}

}  // namespace tl
