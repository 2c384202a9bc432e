#include "analysis/rtt_report.hh"

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace tl {
namespace {

using Json = nlohmann::ordered_json;

struct Counter {
  const char* name;
  std::uint64_t RttCounters::*value;
};
constexpr std::array kRttCounters{
    Counter{"segments", &RttCounters::segments},
    Counter{"answered", &RttCounters::answered},
    Counter{"karn_ambiguous", &RttCounters::karn_ambiguous},
    Counter{"intervening", &RttCounters::intervening},
    Counter{"cum_acked", &RttCounters::cum_acked},
    Counter{"acked_unseen", &RttCounters::acked_unseen},
    Counter{"probes", &RttCounters::probes},
    Counter{"stale", &RttCounters::stale},
    Counter{"time_reversed", &RttCounters::time_reversed},
    Counter{"abandoned", &RttCounters::abandoned},
    Counter{"forgotten", &RttCounters::forgotten},
    Counter{"retransmissions", &RttCounters::retransmissions},
    Counter{"keep_alives", &RttCounters::keep_alives},
    Counter{"window_probes", &RttCounters::window_probes},
    Counter{"unseen_acks", &RttCounters::unseen_acks},
    Counter{"partial_acks", &RttCounters::partial_acks},
    Counter{"restarts", &RttCounters::restarts},
    Counter{"delayed_suspects", &RttCounters::delayed_suspects},
};
static_assert(sizeof(RttCounters) == (kRttCounters.size() + kRttMethods) * sizeof(std::uint64_t),
              "a counter has no row");

struct Percentile {
  const char* name;
  std::uint32_t per_mille;
};
constexpr std::array kPercentiles{Percentile{"p50_ns", 500}, Percentile{"p90_ns", 900},
                                  Percentile{"p95_ns", 950}, Percentile{"p99_ns", 990}};
constexpr std::array<const char*, 2> kEnds{"server", "client"};  // by RttEnd

// Where a half leads, seen from the tap.
struct Labels {
  std::string kind, source, destination, source_port, destination_port, end, side;
};

struct Row {
  Labels labels;
  const RttStatistics* statistics;
  std::uint64_t unanswered = 0;
  std::int64_t tick_ns = 0;
};

using Endpoints = std::pair<Endpoint, Endpoint>;  // source, destination

Endpoints endpoints(const Flow& flow, RttEnd end, bool by_sender) {
  const bool from_server = (end == RttEnd::server) != by_sender;
  return from_server ? Endpoints{flow.server(), flow.client()}
                     : Endpoints{flow.client(), flow.server()};
}

// Local when the machine of the tap answers itself: what lies between is its own stack.
std::string side(const Flow& flow, RttEnd end, const RttReportOptions& options) {
  const auto is_local = [&](const Endpoint& point) {
    return std::any_of(options.local.begin(), options.local.end(), [&](const auto& own) {
      return own.first == point.address && own.second == flow.key.ip_version;
    });
  };
  const bool client = is_local(flow.client()), server = is_local(flow.server());
  if (!client && !server) return "unknown";
  return (end == RttEnd::server ? server : client) ? "local" : "remote";
}

Row flow_row(const RttFlow& measured, const Flow& flow, RttEnd end,
             const RttReportOptions& options) {
  const auto [source, destination] = endpoints(flow, end, options.label_by_sender);
  const std::uint8_t version = flow.key.ip_version;
  const RttHalf& half = measured.halves[static_cast<std::size_t>(end)];
  return {
      {"flow", address_text(source.address, version), address_text(destination.address, version),
       std::to_string(source.port), std::to_string(destination.port),
       kEnds[static_cast<std::size_t>(end)], side(flow, end, options)},
      &half.statistics(),
      half.unanswered(),
      half.timestamp_tick_ns()};
}

struct HalfRef {
  std::uint64_t samples;
  std::uint32_t serial, index;
  RttEnd end;
};

// The halves that sent anything, those with the most samples first.
std::vector<HalfRef> halves(const RttTable& table, const FlowTable& flows) {
  std::vector<HalfRef> list;
  for (std::uint32_t i = 0; i < table.size(); ++i) {
    const RttFlow* measured = table.flow(i);
    if (measured == nullptr) continue;
    for (const RttEnd end : {RttEnd::server, RttEnd::client}) {
      const RttStatistics& s = measured->halves[static_cast<std::size_t>(end)].statistics();
      if (s.counters.segments == 0) continue;
      list.push_back({s.rtt.count(), flows.flow(i).serial, i, end});
    }
  }
  std::sort(list.begin(), list.end(), [](const HalfRef& a, const HalfRef& b) {
    if (a.samples != b.samples) return a.samples > b.samples;
    return a.serial != b.serial ? a.serial < b.serial : a.end < b.end;
  });
  return list;
}

struct Sums {
  std::array<RttStatistics, 2> ends;
  RttStatistics all;
};

std::vector<Row> sum_rows(const RttTable& table, Sums& sums) {
  sums.ends = table.totals();
  for (const RttStatistics& end : sums.ends) sums.all += end;
  std::vector<Row> rows;
  for (const RttEnd end : {RttEnd::server, RttEnd::client}) {
    const auto i = static_cast<std::size_t>(end);
    rows.push_back({{"evicted", "", "", "", "", kEnds[i], ""}, &table.evicted()[i]});
  }
  for (const RttEnd end : {RttEnd::server, RttEnd::client}) {
    const auto i = static_cast<std::size_t>(end);
    rows.push_back({{"total", "", "", "", "", kEnds[i], ""}, &sums.ends[i], table.unanswered(end)});
  }
  const std::uint64_t unanswered = rows[2].unanswered + rows[3].unanswered;
  rows.push_back({{"total", "", "", "", "", "both", ""}, &sums.all, unanswered});
  return rows;
}

// --- CSV ---

std::string distribution_header(const char* name) {
  std::string line = fmt::format(",{0}_count,{0}_min_ns", name);
  for (const Percentile& p : kPercentiles) line += fmt::format(",{}_{}", name, p.name);
  return line + fmt::format(",{0}_max_ns,{0}_mean_ns", name);
}

std::string distribution_csv(const Distribution& d) {
  if (d.empty()) return ",0" + std::string(kPercentiles.size() + 3, ',');
  std::string line = fmt::format(",{},{}", d.count(), d.minimum_ns());
  for (const Percentile& p : kPercentiles) line += fmt::format(",{}", d.percentile_ns(p.per_mille));
  return line + fmt::format(",{},{}", d.maximum_ns(), d.mean_ns());
}

std::string csv_header() {
  std::string line = "kind,source_ip,source_port,destination_ip,destination_port,end,side";
  for (const char* name : {"rtt", "full", "ts"}) line += distribution_header(name);
  line += ",ts_tick_ns,syn_samples,ack_samples,sack_samples";
  for (const Counter& counter : kRttCounters) line += fmt::format(",{}", counter.name);
  return line + ",unanswered\n";
}

std::uint64_t samples(const RttCounters& counters, RttMethod method) {
  return counters.samples[static_cast<std::size_t>(method)];
}

std::string csv_line(const Row& row) {
  const Labels& l = row.labels;
  const RttStatistics& s = *row.statistics;
  std::string line = fmt::format("{},{},{},{},{},{},{}", l.kind, l.source, l.source_port,
                                 l.destination, l.destination_port, l.end, l.side);
  for (const Distribution* d : {&s.rtt, &s.full, &s.ts}) line += distribution_csv(*d);
  line += row.tick_ns == 0 ? "," : fmt::format(",{}", row.tick_ns);
  for (const RttMethod method : {RttMethod::syn, RttMethod::ack, RttMethod::sack})
    line += fmt::format(",{}", samples(s.counters, method));
  for (const Counter& counter : kRttCounters) line += fmt::format(",{}", s.counters.*counter.value);
  return line + fmt::format(",{}\n", row.unanswered);
}

// --- JSON ---

Json distribution_json(const Distribution& d, bool with_bins) {
  Json object{{"count", d.count()}};
  const auto value = [&](std::int64_t ns) { return d.empty() ? Json(nullptr) : Json(ns); };
  object["min_ns"] = value(d.empty() ? 0 : d.minimum_ns());
  for (const Percentile& p : kPercentiles)
    object[p.name] = value(d.empty() ? 0 : d.percentile_ns(p.per_mille));
  object["max_ns"] = value(d.maximum_ns());
  object["mean_ns"] = value(d.empty() ? 0 : d.mean_ns());
  object["percentiles_exact"] = d.is_exact();
  if (!with_bins) return object;
  Json bins = Json::array();
  for (const Distribution::Bin& bin : d.bins())
    bins.push_back({bin.low_ns, bin.high_ns, bin.count});
  object["histogram"] = std::move(bins);
  return object;
}

Json row_json(const Row& row, bool with_bins) {
  const RttStatistics& s = *row.statistics;
  Json object;
  if (row.labels.kind == "flow")
    object = {{"source_ip", row.labels.source},
              {"source_port", std::stoi(row.labels.source_port)},
              {"destination_ip", row.labels.destination},
              {"destination_port", std::stoi(row.labels.destination_port)}};
  object["end"] = row.labels.end;
  if (row.labels.kind == "flow") object["side"] = row.labels.side;
  object["rtt"] = distribution_json(s.rtt, with_bins);
  object["full"] = distribution_json(s.full, false);
  object["ts"] = distribution_json(s.ts, false);
  object["ts_tick_ns"] = row.tick_ns == 0 ? Json(nullptr) : Json(row.tick_ns);
  for (const RttMethod method : {RttMethod::syn, RttMethod::ack, RttMethod::sack})
    object[fmt::format("{}_samples", rtt_method_name(method))] = samples(s.counters, method);
  for (const Counter& counter : kRttCounters) object[counter.name] = s.counters.*counter.value;
  object["unanswered"] = row.unanswered;
  return object;
}

// --- text ---

std::string milliseconds(const Distribution& d, std::int64_t ns) {
  return d.empty() ? "-" : fmt::format("{:.6f}", static_cast<double>(ns) / 1e6);
}

std::string text_line(const Row& row) {
  const Distribution& d = row.statistics->rtt;
  const Labels& l = row.labels;
  std::string line = fmt::format("{:>9} {:>9}", d.count(), row.statistics->counters.answered);
  line += fmt::format(" {:>12}", milliseconds(d, d.empty() ? 0 : d.minimum_ns()));
  for (const std::uint32_t per_mille : {500U, 900U, 990U})
    line += fmt::format(" {:>12}", milliseconds(d, d.empty() ? 0 : d.percentile_ns(per_mille)));
  line += fmt::format(" {:>12}  {:<6} ", milliseconds(d, d.maximum_ns()), l.end);
  if (l.kind != "flow") return line + l.kind + "\n";
  line += fmt::format("{}:{} -> {}:{}", l.source, l.source_port, l.destination, l.destination_port);
  return line + (l.side == "unknown" ? "" : " (" + l.side + ")") + "\n";
}

std::string reasons_text(const RttStatistics& all, std::uint64_t unanswered) {
  std::string text = "\n";
  const auto line = [&](const char* name, std::uint64_t value, const char* meaning) {
    text += fmt::format("{:<18} {:>12}  {}\n", name, value, meaning);
  };
  const RttCounters& c = all.counters;
  line("segments", c.segments, "sent, on their first sight");
  line("answered", c.answered, "of those; each is in one of the next ten lines");
  line("  syn", samples(c, RttMethod::syn), "samples");
  line("  ack", samples(c, RttMethod::ack), "samples");
  line("  sack", samples(c, RttMethod::sack), "samples");
  line("  karn_ambiguous", c.karn_ambiguous, "sent more than once");
  line("  intervening", c.intervening, "the ACK may have waited for a retransmission");
  line("  cum_acked", c.cum_acked, "acknowledged together with a newer one");
  line("  acked_unseen", c.acked_unseen, "the ACK is of bytes the capture lacks");
  line("  probes", c.probes, "into a closed window");
  line("  stale", c.stale, "answered too late to be an answer");
  line("  time_reversed", c.time_reversed, "answered before, says the clock");
  line("unanswered", unanswered, "at the end");
  line("abandoned", c.abandoned, "another connection took over the ports");
  line("forgotten", c.forgotten, "for want of memory");
  line("delayed_suspects", c.delayed_suspects,
       "samples of 40 ms or more that a delayed ACK explains");
  line("full", all.full.count(), "super-packets acknowledged in parts: last byte");
  line("ts", all.ts.count(), "TSval echoes, a cross-check");
  if (!all.ts.empty() && !all.rtt.empty())
    text += fmt::format("{:<18} {:>12}  ms, against {} by sequence numbers\n", "ts p50",
                        milliseconds(all.ts, all.ts.percentile_ns(500)),
                        milliseconds(all.rtt, all.rtt.percentile_ns(500)));
  return text;
}

std::string text_header(bool by_sender) {
  return fmt::format("{:>9} {:>9} {:>12} {:>12} {:>12} {:>12} {:>12}  {:<6} {}\n", "samples",
                     "answered", "min ms", "p50 ms", "p90 ms", "p99 ms", "max ms", "end",
                     by_sender ? "sender -> receiver" : "source -> destination of the ACKs");
}

void write_rtt_json(const Write& write, const RttObserver& observer, const FlowTable& flows,
                    const RttReportOptions& options, const std::vector<HalfRef>& list,
                    std::size_t listed, const std::vector<Row>& sums) {
  write(fmt::format("\"rtt\": {{\"label_by\": \"{}\",\n\"flows\": [",
                    options.label_by_sender ? "sender" : "ack"));
  for (std::size_t i = 0; i < listed; ++i) {
    const Row row = flow_row(*observer.table().flow(list[i].index), flows.flow(list[i].index),
                             list[i].end, options);
    write((i == 0 ? "\n" : ",\n") + row_json(row, options.histograms).dump());
  }
  write("\n],\n");
  for (const char* kind : {"evicted", "total"}) {
    write(fmt::format("\"{}\": [", kind));
    std::string_view between = "\n";
    for (const Row& row : sums) {
      if (row.labels.kind != kind) continue;
      write(std::string{between} + row_json(row, row.labels.kind == "total").dump());
      between = ",\n";
    }
    write("\n],\n");
  }
  write(fmt::format("\"evictions\": {}, \"untimed_segments\": {}, \"fragments\": {}}}",
                    observer.table().evictions(), observer.untimed(), observer.fragments()));
}

}  // namespace

void write_rtt(const Write& write, ReportForm form, const RttObserver& observer,
               const FlowTable& flows, const RttReportOptions& options) {
  const std::vector<HalfRef> list = halves(observer.table(), flows);
  const std::size_t listed = options.top == 0 ? list.size() : std::min(options.top, list.size());
  Sums sums;
  const std::vector<Row> ends = sum_rows(observer.table(), sums);
  if (form == ReportForm::json)
    return write_rtt_json(write, observer, flows, options, list, listed, ends);
  const bool csv = form == ReportForm::csv;
  write(csv ? csv_header() : text_header(options.label_by_sender));
  for (std::size_t i = 0; i < listed; ++i) {
    const Row row = flow_row(*observer.table().flow(list[i].index), flows.flow(list[i].index),
                             list[i].end, options);
    write(csv ? csv_line(row) : text_line(row));
  }
  for (const Row& row : ends) {
    if (csv)
      write(csv_line(row));
    else if (row.labels.kind == "total" || row.statistics->counters.segments != 0)
      write(text_line(row));
  }
  if (!csv) write(reasons_text(sums.all, ends.back().unanswered));
}

RttSampleWriter::RttSampleWriter(const Write& write, const FlowTable& flows, bool label_by_sender)
    : write_{write}, flows_{flows}, label_by_sender_{label_by_sender} {
  write_(
      "packet_index,time_ns,source_ip,source_port,destination_ip,destination_port,end,method,"
      "rtt_ns\n");
}

void RttSampleWriter::on_rtt(const RttEvent& event) {
  const Flow& flow = flows_.flow(event.flow);
  const auto [source, destination] = endpoints(flow, event.end, label_by_sender_);
  const std::uint8_t version = flow.key.ip_version;
  write_(fmt::format("{},{},{},{},{},{},{},{},{}\n", event.packet_index, event.sample.time_ns,
                     address_text(source.address, version), source.port,
                     address_text(destination.address, version), destination.port,
                     kEnds[static_cast<std::size_t>(event.end)],
                     rtt_method_name(event.sample.method), event.sample.rtt_ns));
}

}  // namespace tl
