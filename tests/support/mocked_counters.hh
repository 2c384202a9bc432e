// Counters whose clock a test sets, on one end of a veth pair: the programs that measure, with
// every packet at the nanosecond that the test wants.
#pragma once

#include <cstdint>
#include <map>

#include "probe/bucket_reader.hh"
#include "support/veth_pair.hh"

namespace tl::test {

class MockedCounters {
 public:
  // `layout`'s clock and base are set here; bucket 0 begins at kBaseNs.
  explicit MockedCounters(CounterLayout layout);

  static constexpr std::int64_t kBaseNs = 1'000'000'000'000;

  // Sends one datagram whose transmission the counters see at kBaseNs + `at_ns`.
  void packet_at(std::int64_t at_ns);

  // Transmitted packets by bucket, empty ones left out, of buckets [first, last]; the reader comes
  // when `last` is just over.
  [[nodiscard]] std::map<std::uint64_t, std::uint64_t> packets(std::uint64_t first,
                                                               std::uint64_t last) const;
  // The same as whole buckets' values.
  [[nodiscard]] std::map<std::uint64_t, CounterValues> buckets(std::uint64_t first,
                                                               std::uint64_t last) const;
  // Over all time.
  [[nodiscard]] CounterValues totals() const;
  // Packets that found no block.
  [[nodiscard]] std::uint64_t lost() const;

  [[nodiscard]] CounterKernel& kernel() { return kernel_; }
  [[nodiscard]] const VethPair& pair() const { return pair_; }

 private:
  VethPair pair_;
  CounterKernel kernel_;
  UdpSender sender_;
  std::uint32_t series_ = 0;
};

}  // namespace tl::test
