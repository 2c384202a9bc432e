#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <numeric>

#include "analysis/capture_report.hh"
#include "base/units.hh"

namespace tl {
namespace {

// What every side of a flow has, in the order of the columns.
struct SideColumn {
  std::string_view name;
  std::uint64_t (*value)(const Flow&, std::size_t side);
};
constexpr std::array kSideColumns{
    SideColumn{"packets", [](const Flow& f, std::size_t s) { return f.sides[s].tally.packets; }},
    SideColumn{"frame_bytes",
               [](const Flow& f, std::size_t s) { return f.sides[s].tally.frame_bytes; }},
    SideColumn{"ip_bytes", [](const Flow& f, std::size_t s) { return f.sides[s].tally.ip_bytes; }},
    SideColumn{"payload_bytes",
               [](const Flow& f, std::size_t s) { return f.sides[s].tally.payload_bytes; }},
    SideColumn{"span_bytes",
               [](const Flow& f, std::size_t s) { return f.sides[s].sequence.span_bytes(); }},
    SideColumn{
        "retransmitted_bytes",
        [](const Flow& f, std::size_t s) { return f.sides[s].sequence.retransmitted_bytes(); }},
    SideColumn{"gap_bytes",
               [](const Flow& f, std::size_t s) { return f.sides[s].sequence.gap_bytes(); }},
    SideColumn{"forgotten_gaps",
               [](const Flow& f, std::size_t s) {
                 return std::uint64_t{f.sides[s].sequence.forgotten_gaps()};
               }},
    SideColumn{
        "mss_bytes",
        [](const Flow& f, std::size_t s) { return std::uint64_t{f.maximum_segment_bytes[s]}; }},
};
constexpr std::array<std::string_view, 2> kSides{"client", "server"};  // who sent

std::vector<std::uint32_t> ordered(const FlowTable& flows, FlowOrder order) {
  // What is compared lies together: the flows themselves are far apart.
  struct Entry {
    std::uint64_t bytes;
    std::uint32_t serial, index;
  };
  std::vector<Entry> entries(flows.size());
  for (std::uint32_t i = 0; i < flows.size(); ++i) {
    const Flow& flow = flows.flow(i);
    entries[i] = {order == FlowOrder::bytes ? flow.total().frame_bytes : 0, flow.serial, i};
  }
  std::sort(entries.begin(), entries.end(), [](const Entry& a, const Entry& b) {
    return a.bytes != b.bytes ? a.bytes > b.bytes : a.serial < b.serial;
  });
  std::vector<std::uint32_t> list;
  list.reserve(entries.size());
  for (const Entry& entry : entries) list.push_back(entry.index);
  return list;
}

// What is in no listed flow, and everything.
struct Remainder {
  std::string_view name;
  Tally tally;
};
std::vector<Remainder> remainders(const FlowTable& flows, const std::vector<std::uint32_t>& order,
                                  std::size_t listed) {
  Tally shown, others;
  for (std::size_t i = 0; i < order.size(); ++i)
    (i < listed ? shown : others) += flows.flow(order[i]).total();
  Tally total = shown;
  total += others;
  for (const Tally* tally : {&flows.evicted(), &flows.not_ip(), &flows.undecoded()})
    total += *tally;
  return {{"others", others},
          {"evicted", flows.evicted()},
          {"not_ip", flows.not_ip()},
          {"undecoded", flows.undecoded()},
          {"total", total}};
}

std::string time_text(const TimeRange& range, std::int64_t value) {
  return range.empty() ? "" : std::to_string(value);
}

// A comma and a number: tables of 100,000 flows spend their time here.
void append(std::string& line, std::uint64_t value) {
  const fmt::format_int digits{value};
  line += ',';
  line.append(digits.data(), digits.size());
}

void write_csv(const Write& write, const FlowTable& flows, const std::vector<std::uint32_t>& order,
               std::size_t listed) {
  std::string line =
      "kind,protocol,client,client_port,server,server_port,first_ns,last_ns,connections,fragments,"
      "packets,frame_bytes,ip_bytes,payload_bytes";
  for (const std::string_view side : kSides)
    for (const SideColumn& column : kSideColumns) line += fmt::format(",{}_{}", side, column.name);
  write(line + "\n");
  for (std::size_t i = 0; i < listed; ++i) {
    const Flow& flow = flows.flow(order[i]);
    const TimeRange time = flow.time();
    const Tally all = flow.total();
    line = "flow,";
    line += protocol_name(flow.key.protocol);
    for (const Endpoint& end : {flow.client(), flow.server()}) {
      line += ',';
      line += address_text(end.address, flow.key.ip_version);
      append(line, end.port);
    }
    line += ',';
    line += time_text(time, time.first_ns);
    line += ',';
    line += time_text(time, time.last_ns);
    for (const std::uint64_t value :
         {std::uint64_t{flow.connections}, std::uint64_t{flow.fragments}, all.packets,
          all.frame_bytes, all.ip_bytes, all.payload_bytes})
      append(line, value);
    for (std::size_t side = 0; side < kSides.size(); ++side)
      for (const SideColumn& column : kSideColumns) append(line, column.value(flow, side));
    line += '\n';
    write(line);
  }
  const std::string empty(kSides.size() * kSideColumns.size(), ',');
  for (const auto& [name, tally] : remainders(flows, order, listed))
    write(fmt::format("{},,,,,,,,,,{},{},{},{}{}\n", name, tally.packets, tally.frame_bytes,
                      tally.ip_bytes, tally.payload_bytes, empty));
}

std::string tally_json(const Tally& tally) {
  return fmt::format(
      "\"packets\": {}, \"frame_bytes\": {}, \"ip_bytes\": {}, \"payload_bytes\": {}",
      tally.packets, tally.frame_bytes, tally.ip_bytes, tally.payload_bytes);
}

std::string flow_json(const Flow& flow) {
  const auto or_null = [](const std::string& text) { return text.empty() ? "null" : text; };
  const TimeRange time = flow.time();
  const Endpoint client = flow.client(), server = flow.server();
  std::string out = fmt::format(
      "{{\"protocol\": \"{}\", \"client\": \"{}\", \"client_port\": {}, \"server\": \"{}\", "
      "\"server_port\": {}, \"first_ns\": {}, \"last_ns\": {}, \"connections\": {}, "
      "\"fragments\": {}, {}",
      protocol_name(flow.key.protocol), address_text(client.address, flow.key.ip_version),
      client.port, address_text(server.address, flow.key.ip_version), server.port,
      or_null(time_text(time, time.first_ns)), or_null(time_text(time, time.last_ns)),
      flow.connections, flow.fragments, tally_json(flow.total()));
  for (std::size_t side = 0; side < kSides.size(); ++side) {
    out += fmt::format(", \"from_{}\": {{", kSides[side]);
    for (std::size_t c = 0; c < kSideColumns.size(); ++c)
      out += fmt::format("{}\"{}\": {}", c == 0 ? "" : ", ", kSideColumns[c].name,
                         kSideColumns[c].value(flow, side));
    out += "}";
  }
  return out + "}";
}

void write_json(const Write& write, const FlowTable& flows, const std::vector<std::uint32_t>& order,
                std::size_t listed) {
  write("\"flows\": [");
  for (std::size_t i = 0; i < listed; ++i)
    write((i == 0 ? "\n" : ",\n") + flow_json(flows.flow(order[i])));
  write("\n],\n");
  for (const auto& [name, tally] : remainders(flows, order, listed))
    write(fmt::format("\"{}\": {{{}}},\n", name, tally_json(tally)));
  write(fmt::format("\"flow_count\": {}, \"evictions\": {}", flows.size(), flows.evictions()));
}

void write_text(const Write& write, const FlowTable& flows, const std::vector<std::uint32_t>& order,
                std::size_t listed) {
  write(fmt::format("{:>10} {:>14} {:>14} {:>12} {:>12}  {}\n", "packets", "frame bytes",
                    "payload bytes", "retransmit.", "gap bytes", "flow (client server)"));
  for (std::size_t i = 0; i < listed; ++i) {
    const Flow& flow = flows.flow(order[i]);
    const Tally all = flow.total();
    const SequenceTrack &a = flow.sides[0].sequence, &b = flow.sides[1].sequence;
    write(fmt::format("{:>10} {:>14} {:>14} {:>12} {:>12}  {}\n", all.packets, all.frame_bytes,
                      all.payload_bytes, a.retransmitted_bytes() + b.retransmitted_bytes(),
                      a.gap_bytes() + b.gap_bytes(), flow_label(flow)));
  }
  for (const auto& [name, tally] : remainders(flows, order, listed))
    if (tally.packets != 0 || name == "total")
      write(fmt::format("{:>10} {:>14} {:>14} {:>12} {:>12}  {}\n", tally.packets,
                        tally.frame_bytes, tally.payload_bytes, "", "", name));
}

}  // namespace

void write_flows(const Write& write, ReportForm form, const FlowTable& flows,
                 const FlowListOptions& options) {
  const std::vector<std::uint32_t> order = ordered(flows, options.order);
  const std::size_t listed = options.top == 0 ? order.size() : std::min(options.top, order.size());
  switch (form) {
    case ReportForm::text:
      return write_text(write, flows, order, listed);
    case ReportForm::csv:
      return write_csv(write, flows, order, listed);
    case ReportForm::json:
      return write_json(write, flows, order, listed);
  }
}

}  // namespace tl
