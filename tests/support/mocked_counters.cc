#include "support/mocked_counters.hh"

#include <net/if.h>
#include <net/if_arp.h>

namespace tl::test {
namespace {

CounterLayout with_mock_clock(CounterLayout layout) {
  layout.mock_clock = true;
  layout.base_ns = MockedCounters::kBaseNs;
  layout.count_unknown = false;
  return layout;
}

}  // namespace

MockedCounters::MockedCounters(CounterLayout layout)
    : kernel_{with_mock_clock(std::move(layout))}, sender_{pair_, kWantedPort} {
  series_ = pair_.left.run([this] {
    const tl_device_key key =
        device_key(pair_.left.inode(), static_cast<int>(::if_nametoindex("eth0")));
    return kernel_.name_device({key, ARPHRD_ETHER}).series;
  });
  kernel_.set_mock_time(kBaseNs);
  kernel_.enable(true);
}

void MockedCounters::packet_at(std::int64_t at_ns) {
  kernel_.set_mock_time(static_cast<std::uint64_t>(kBaseNs + at_ns));
  sender_.send(1);  // the tap of a sending device runs within the system call
}

std::map<std::uint64_t, CounterValues> MockedCounters::buckets(std::uint64_t first,
                                                               std::uint64_t last) const {
  BucketReader reader{kernel_.layout(), kernel_.cpus(), kernel_.memory(Hook::rx),
                      kernel_.memory(Hook::tx), first};
  std::map<std::uint64_t, CounterValues> found;
  reader.read_through(
      last, [&] { return last + 1; },
      [&](const Bucket& bucket) {
        const CounterValues& values = bucket.series.at(series_);
        if (values.tx_packets != 0) found[bucket.epoch] = values;
      });
  return found;
}

std::map<std::uint64_t, std::uint64_t> MockedCounters::packets(std::uint64_t first,
                                                               std::uint64_t last) const {
  std::map<std::uint64_t, std::uint64_t> found;
  for (const auto& [epoch, values] : buckets(first, last)) found[epoch] = values.tx_packets;
  return found;
}

CounterValues MockedCounters::totals() const {
  return BucketReader{kernel_.layout(), kernel_.cpus(), kernel_.memory(Hook::rx),
                      kernel_.memory(Hook::tx), 0}
      .totals()
      .at(series_);
}

std::uint64_t MockedCounters::lost() const {
  std::uint64_t lost = 0;
  for (const tl_hook_state& state : kernel_.memory(Hook::tx).state) lost += state.lost;
  return lost;
}

}  // namespace tl::test
