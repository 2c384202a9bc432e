#include <fmt/core.h>

#include <algorithm>

#include "analysis/capture_report.hh"
#include "analysis/link_type.hh"
#include "base/clock.hh"
#include "base/units.hh"

namespace tl {
namespace {

using Json = nlohmann::ordered_json;

std::string time_unit_text(TimeUnit unit) {
  if (!unit.is_binary && unit.exponent == 6) return "microseconds";
  if (!unit.is_binary && unit.exponent == 9) return "nanoseconds";
  return fmt::format("{}^-{} s", unit.is_binary ? 2 : 10, unit.exponent);
}

Field rate_field(std::string name, const Rate& rate, bool is_bits = false) {
  if (const auto* reason = std::get_if<std::string>(&rate))
    return {std::move(name), nullptr, *reason};
  const double value = std::get<double>(rate);
  return {std::move(name), value, is_bits ? human_bitrate(value) : ""};
}

Field time_field(std::string name, const TimeRange& range, std::int64_t value) {
  if (range.empty()) return {std::move(name), nullptr, "no packet has a time"};
  return {std::move(name), value, value >= 0 ? utc_iso(value) : ""};
}

void add_tally(std::vector<Field>& fields, const std::string& name, const Tally& tally) {
  fields.push_back({name + "_packets", tally.packets, ""});
  fields.push_back({name + "_frame_bytes", tally.frame_bytes, ""});
}

void add_format(std::vector<Field>& fields, const CaptureReader& reader) {
  const CaptureFormat& format = reader.format();
  fields.push_back({"format", format.name, ""});
  fields.push_back({"byte_order", format.byte_order, ""});
  fields.push_back({"compression", format.compression, ""});
  fields.push_back({"time_unit", time_unit_text(format.time_unit), ""});
  fields.push_back({"interfaces", reader.interfaces().size(), ""});
  const bool same = std::all_of(
      reader.interfaces().begin(), reader.interfaces().end(),
      [&](const Interface& i) { return i.link_type == reader.interfaces().front().link_type; });
  if (!reader.interfaces().empty())
    fields.push_back({"link_type",
                      same ? link_type_name(reader.interfaces().front().link_type) : "per packet",
                      ""});
  fields.push_back({"stream_bytes", reader.stream_bytes(), "records and headers, decompressed"});
}

void add_time(std::vector<Field>& fields, const CaptureSummary& summary) {
  const SummaryTotals& t = summary.totals();
  fields.push_back(time_field("first_ns", t.time, t.time.first_ns));
  fields.push_back(time_field("last_ns", t.time, t.time.last_ns));
  if (t.time.empty())
    fields.push_back({"duration_ns", nullptr, "no packet has a time"});
  else
    fields.push_back({"duration_ns", t.time.duration_ns(),
                      fmt::format("{:.9f} s", static_cast<double>(t.time.duration_ns()) / 1e9)});
  fields.push_back(rate_field("packets_per_second", summary.packets_per_second()));
  fields.push_back(rate_field("bits_per_second", summary.bits_per_second(), true));
  fields.push_back({"strict_time_order", t.back_steps == 0, ""});
  fields.push_back({"back_steps", t.back_steps, "packets earlier than the one before"});
  fields.push_back({"largest_back_step_ns", t.largest_back_step_ns, ""});
}

void add_super(std::vector<Field>& fields, const CaptureSummary& summary) {
  const SuperPackets& super = summary.totals().super;
  fields.push_back({"mtu_bytes", summary.mtu(), ""});
  fields.push_back({"over_mtu_packets", super.packets, "GSO or GRO super-packets"});
  fields.push_back({"over_mtu_frame_bytes", super.frame_bytes, ""});
  fields.push_back({"over_mtu_segments", super.segments, "packets they are on the wire"});
  fields.push_back({"over_mtu_wire_bytes", super.wire_bytes, "with the headers of each segment"});
  fields.push_back({"over_mtu_by_mss", super.by_mss, "segment size from the connection's MSS"});
  fields.push_back({"over_mtu_by_mtu", super.by_mtu, "segment size from the MTU"});
}

std::string optional_note(const Field& field) {
  return field.note.empty() ? "" : "   (" + field.note + ")";
}

// A value as CSV and text show it: strings without quotes, null as nothing.
std::string plain(const Json& value) {
  if (value.is_null()) return "";
  return value.is_string() ? value.get<std::string>() : value.dump();
}

Json optional_count(const std::optional<std::uint64_t>& count) {
  return count ? Json(*count) : Json(nullptr);
}

}  // namespace

std::vector<Field> summary_fields(const CaptureReader& reader, const CaptureSummary& summary) {
  const SummaryTotals& t = summary.totals();
  std::vector<Field> fields;
  add_format(fields, reader);
  fields.push_back({"packets", t.packets, ""});
  fields.push_back({"frame_bytes", t.frame_bytes, human_bytes(t.frame_bytes)});
  fields.push_back({"captured_bytes", t.captured_bytes, human_bytes(t.captured_bytes)});
  fields.push_back({"truncated_packets", t.truncated, "captured less than their length"});
  add_time(fields, summary);
  fields.push_back(rate_field("mean_frame_bytes", summary.mean_frame_bytes()));
  fields.push_back({"smallest_frame_bytes", t.smallest, ""});
  fields.push_back({"largest_frame_bytes", t.largest, ""});
  add_tally(fields, "ipv4", t.ipv4_tcp + t.ipv4_udp + t.ipv4_other);
  add_tally(fields, "ipv6", t.ipv6_tcp + t.ipv6_udp + t.ipv6_other);
  add_tally(fields, "not_ip", t.not_ip);
  add_tally(fields, "undecoded", t.undecoded);
  add_tally(fields, "tcp", t.ipv4_tcp + t.ipv6_tcp);
  add_tally(fields, "udp", t.ipv4_udp + t.ipv6_udp);
  add_tally(fields, "other_transport", t.ipv4_other + t.ipv6_other);
  fields.push_back({"fragments", t.fragments, ""});
  add_super(fields, summary);
  fields.push_back({"untimed_packets", t.untimed, "without a usable timestamp"});
  fields.push_back({"time_normalised_packets", t.time_normalised, "microseconds >= 1000000"});
  fields.push_back({"caplen_over_length_packets", t.caplen_over_length, ""});
  fields.push_back({"caplen_over_snaplen_packets", t.caplen_over_snaplen, ""});
  fields.push_back({"ip_length_derived_packets", t.length_derived, "IP length 0, as BIG TCP has"});
  fields.push_back({"ip_length_mismatch_packets", t.length_mismatch, "IP length beyond the frame"});
  return fields;
}

Json stop_json(const Stop& stop) {
  return {{"reason", stop_reason_name(stop.reason)},
          {"offset_bytes", stop.offset},
          {"packet_index", stop.packet_index},
          {"detail", stop.clean() ? Json(nullptr) : Json(stop.detail)}};
}

Json interfaces_json(const CaptureReader& reader, const SummaryTotals& totals) {
  Json list = Json::array();
  for (std::size_t i = 0; i < reader.interfaces().size(); ++i) {
    const Interface& interface = reader.interfaces()[i];
    const bool seen = i < totals.interfaces.size();
    const InterfaceStatistics& statistics = interface.statistics;
    list.push_back({{"section", interface.section},
                    {"name", interface.name},
                    {"link_type", link_type_name(interface.link_type)},
                    {"snaplen_bytes", interface.snaplen},
                    {"time_unit", time_unit_text(interface.time_unit)},
                    {"filter", interface.filter},
                    {"packets", seen ? totals.interfaces[i].packets : 0},
                    {"frame_bytes", seen ? totals.interfaces[i].frame_bytes : 0},
                    {"reported_received", optional_count(statistics.received)},
                    {"reported_dropped", optional_count(statistics.dropped)},
                    {"reported_filter_accepted", optional_count(statistics.filter_accepted)},
                    {"reported_os_dropped", optional_count(statistics.os_dropped)},
                    {"reported_delivered", optional_count(statistics.delivered)}});
  }
  return list;
}

namespace {

void write_summary_json(const Write& write, const CaptureReader& reader,
                        const CaptureSummary& summary) {
  for (const Field& field : summary_fields(reader, summary)) {
    write(fmt::format("\"{}\": {},\n", field.name, field.value.dump()));
    if (field.value.is_null())
      write(fmt::format("\"{}_reason\": {},\n", field.name, Json(field.note).dump()));
  }
  // Names come from the file: what is not UTF-8 in them is replaced.
  const auto dump = [](const Json& value) {
    return value.dump(-1, ' ', false, Json::error_handler_t::replace);
  };
  write(fmt::format("\"interface_list\": {},\n", dump(interfaces_json(reader, summary.totals()))));
  write(fmt::format("\"stop\": {}", dump(stop_json(reader.stop()))));
}

}  // namespace

void write_summary(const Write& write, ReportForm form, const CaptureReader& reader,
                   const CaptureSummary& summary) {
  if (form == ReportForm::json) return write_summary_json(write, reader, summary);
  if (form == ReportForm::csv) write("name,value\n");
  for (const Field& field : summary_fields(reader, summary)) {
    if (form == ReportForm::csv) {
      write(fmt::format("{},{}\n", field.name, plain(field.value)));
      continue;
    }
    const std::string value = field.value.is_null() ? "-" : plain(field.value);
    write(fmt::format("{:<28} {}{}\n", field.name, value, optional_note(field)));
  }
  const std::string reason = stop_reason_name(reader.stop().reason);
  write(form == ReportForm::csv ? fmt::format("stop,{}\n", reason)
                                : fmt::format("{:<28} {}\n", "stop", reason));
}

}  // namespace tl
