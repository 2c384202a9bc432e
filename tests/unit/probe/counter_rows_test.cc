#include "probe/counter_rows.hh"

#include <doctest/doctest.h>

namespace tl::probe_counter_rows_test {
namespace {

// Two containers with a device each, one port; bucket 7 of 10 ms since the epoch, the third one.
struct Shown {
  SeriesNames names{
      {{"", "other", "other", false}, {"a", "a", "eth0", false}, {"b", "b", "eth0", false}},
      {80},
      3};
  Bucket bucket{7, std::vector<CounterValues>(6), {}};
  Shown() {
    bucket.series[1] = {1, 2, 3, 4, 5, 6, 7, 8};
    bucket.series[2] = {10, 20, 30, 40, 50, 60, 70, 80};
    bucket.series[4] = {100, 1, 0, 0, 100, 1, 0, 0};
  }
  void offer() {
    bucket.offered.resize(6);
    bucket.offered[1] = {0, 0, 9, 8, 0, 0, 7, 6};
    bucket.offered[2] = {0, 0, 90, 80, 0, 0, 70, 60};
    bucket.offered[4] = {0, 0, 5, 1, 0, 0, 5, 1};
  }
  [[nodiscard]] std::string rows(RowFormat format, RowKind kind, bool is_partial = false) const {
    CounterGrid grid;
    grid.interval_ns = 10'000'000;
    const Offered offered = bucket.offered.empty() ? Offered::left_out : Offered::shown;
    const RowWriter writer{format, kind, grid, 5, offered};
    std::string text = writer.header();
    writer.write(bucket, names, is_partial, text);
    return text;
  }
};

}  // namespace

TEST_CASE("rows: text is time since the first bucket, RX, TX and a separator") {
  Shown shown;
  CHECK(shown.rows(RowFormat::text, RowKind::total) ==
        "time 20000000 ns\nRX bytes 11 packets 22\nTX bytes 33 packets 44\n--------\n");
  CHECK(shown.rows(RowFormat::text, RowKind::container, true) ==
        "time 20000000 ns (partial)\nRX a bytes 1 packets 2\nTX a bytes 3 packets 4\n"
        "RX b bytes 10 packets 20\nTX b bytes 30 packets 40\n--------\n");
  shown.offer();
  CHECK(shown.rows(RowFormat::text, RowKind::total) ==
        "time 20000000 ns\nRX bytes 11 packets 22\nTX bytes 33 packets 44\n"
        "OFFERED bytes 99 packets 88\n--------\n");
  CHECK(shown.rows(RowFormat::text, RowKind::container) ==
        "time 20000000 ns\nRX a bytes 1 packets 2\nTX a bytes 3 packets 4\n"
        "OFFERED a bytes 9 packets 8\nRX b bytes 10 packets 20\nTX b bytes 30 packets 40\n"
        "OFFERED b bytes 90 packets 80\n--------\n");
}

TEST_CASE("rows: CSV has the columns of a bundle, and of what was offered behind them") {
  const std::string columns =
      "rx_bytes,rx_packets,tx_bytes,tx_packets,rx_wire_bytes,rx_wire_packets,tx_wire_bytes,"
      "tx_wire_packets";
  Shown shown;
  CHECK(shown.rows(RowFormat::csv, RowKind::container) ==
        "time_ns,container," + columns + "\n70000000,a,1,2,3,4,5,6,7,8\n" +
            "70000000,b,10,20,30,40,50,60,70,80\n");
  shown.offer();
  CHECK(shown.rows(RowFormat::csv, RowKind::port) ==
        "time_ns,port,side," + columns +
            ",offered_bytes,offered_packets,offered_wire_bytes,offered_wire_packets\n"
            "70000000,80,local,0,0,0,0,0,0,0,0,0,0,0,0\n"
            "70000000,80,remote,100,1,0,0,100,1,0,0,5,1,5,1\n"
            "70000000,unparsed,any,0,0,0,0,0,0,0,0,0,0,0,0\n");
}

TEST_CASE("rows: a JSON object has the same names") {
  Shown shown;
  const auto first = [&] {
    const std::string text = shown.rows(RowFormat::jsonl, RowKind::container, true);
    return nlohmann::json::parse(text.substr(0, text.find('\n')));
  };
  const nlohmann::json plain = first();
  CHECK(plain.at("container") == "a");
  CHECK(plain.at("tx_wire_bytes") == 7);
  CHECK(plain.at("partial") == true);
  CHECK_FALSE(plain.contains("offered_bytes"));
  shown.offer();
  const nlohmann::json with = first();
  CHECK(with.at("offered_bytes") == 9);
  CHECK(with.at("offered_packets") == 8);
  CHECK(with.at("offered_wire_bytes") == 7);
  CHECK(with.at("offered_wire_packets") == 6);
  CHECK(with.size() == plain.size() + 4);
}
}  // namespace tl::probe_counter_rows_test
