// round-trip times whose truth is known, to the nanosecond.
#include <doctest/doctest.h>

#include "base/errors.hh"
#include "support/corpus.hh"
#include "support/rtt_run.hh"
#include "support/skip.hh"
#include "support/tcp_talk.hh"

namespace tl::analysis_rtt_truth_test {
using namespace tl::test;

namespace {

constexpr std::int64_t kMs = 1'000'000;
using List = std::vector<std::int64_t>;

struct Truth {
  std::string name;
  // Of the half to the server, behind the handshake.
  List ack = {}, sack = {}, full = {}, ts = {};
  std::uint64_t karn_ambiguous = 0, cum_acked = 0, keep_alives = 0;
  List client_ack = {};
};

const std::vector<Truth> kTruths{
    {"S1_normal_10ms", {10 * kMs}, {}, {}, {10 * kMs}},
    {.name = "S2_rtx_true10ms_ambig", .ts = {10 * kMs}, .karn_ambiguous = 1},
    {.name = "S3_delack_seq10_ts15", .ack = {10 * kMs}, .ts = {15 * kMs}, .cum_acked = 1},
    {.name = "S4_hole_cumack_true10",
     .sack = {10 * kMs, 10 * kMs},
     .ts = {10 * kMs},
     .karn_ambiguous = 1},
    {"S5_gso_30000B_partialacks_10_11_12", {10 * kMs}, {}, {12 * kMs}, {10 * kMs}},
    {.name = "S7_pureack_idle_false500ms", .client_ack = {kMs / 2, kMs / 2}},
    {"S9_noTS", {10 * kMs}, {}, {}, {}},
    {.name = "S10_keepalive", .ack = {10 * kMs}, .ts = {10 * kMs}, .keep_alives = 1},
    {"S11_seqwrap", {10 * kMs}, {}, {}, {10 * kMs}},
};

void check(const Truth& truth, const RttRun& run) {
  CAPTURE(truth.name);
  CHECK(run.samples(RttEnd::server, RttMethod::syn) == List{10 * kMs});
  CHECK(run.samples(RttEnd::client, RttMethod::syn) == List{kMs / 10});
  CHECK(run.samples(RttEnd::server, RttMethod::ack) == truth.ack);
  CHECK(run.samples(RttEnd::server, RttMethod::sack) == truth.sack);
  CHECK(run.samples(RttEnd::server, RttMethod::full) == truth.full);
  CHECK(run.samples(RttEnd::client, RttMethod::ack) == truth.client_ack);
  List ts = truth.name == "S9_noTS" ? List{} : List{10 * kMs};  // the handshake's
  ts.insert(ts.end(), truth.ts.begin(), truth.ts.end());
  CHECK(run.samples(RttEnd::server, RttMethod::ts) == ts);
  const RttCounters counters = run.counters(RttEnd::server);
  CHECK(counters.karn_ambiguous == truth.karn_ambiguous);
  CHECK(counters.cum_acked == truth.cum_acked);
  CHECK(counters.keep_alives == truth.keep_alives);
  CHECK(counters.intervening == 0);
  CHECK(run.broken_identity() == "");
}

}  // namespace

TEST_CASE("R-5 the nine cases, made here, give their true round-trip times") {
  const auto cases = rtt_cases();
  REQUIRE(cases.size() == kTruths.size());
  for (std::size_t i = 0; i < cases.size(); ++i) {
    REQUIRE(cases[i].name == kTruths[i].name);
    check(kTruths[i], RttRun{cases[i].talk.capture()});
  }
}

TEST_CASE("R-5 the nine reference files give their true round-trip times") {
  const auto folder = corpus_folder();
  if (!folder || !std::filesystem::exists(*folder / "rtt"))
    TL_SKIP("the reference captures are not here (TL_PCAPS)");
  for (const Truth& truth : kTruths)
    check(truth, RttRun{open_source(*folder / "rtt" / (truth.name + ".pcap"))});
}

TEST_CASE("R-6 on every public capture all segments are counted once") {
  const auto folder = corpus_folder();
  if (!folder) TL_SKIP("the public captures are not here (TL_PCAPS)");
  std::uint64_t segments = 0;
  for (const auto& path : corpus_files(*folder)) {
    CAPTURE(path);
    try {
      const RttRun run{open_source(path)};
      CHECK(run.broken_identity() == "");
      segments += run.counters().segments;
    } catch (const UsageError&) {  // not a capture
    }
  }
  CHECK(segments > 1000);
}
}  // namespace tl::analysis_rtt_truth_test
