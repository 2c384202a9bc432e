// The counter streams of a bundle: counters/{total,container,device,port}.csv from a spool
// (docs/bundle.md).
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "probe/counter_session.hh"
#include "probe/counter_spool.hh"

namespace tl {

// What a device series is called in the streams.
struct DeviceName {
  std::string service;  // empty for a device of no service
  std::string netns;    // the service, or the namespace's inode number
  std::string device;   // its name, or ifN when only the index is known
  bool is_loopback = false;
};

// Names of the device series, by series; [0] is `other`.
struct SeriesNames {
  std::vector<DeviceName> devices;
  std::vector<std::uint16_t> ports;
  std::uint32_t device_series = 0;  // cells of a block before the port cells
};

// The columns every stream ends with, and one row of them.
inline constexpr const char* kCounterColumns =
    "rx_bytes,rx_packets,tx_bytes,tx_packets,rx_wire_bytes,rx_wire_packets,tx_wire_bytes,tx_wire_"
    "packets";
std::string counter_columns(const CounterValues& values);

// Sums of a bucket that the streams show.
CounterValues total_of(const Bucket& bucket, const SeriesNames& names);
std::vector<std::pair<std::string, CounterValues>> containers_of(const Bucket& bucket,
                                                                 const SeriesNames& names);
std::vector<std::pair<std::string, CounterValues>> devices_of(const Bucket& bucket,
                                                              const SeriesNames& names);
std::vector<std::pair<std::string, CounterValues>> ports_of(const Bucket& bucket,
                                                            const SeriesNames& names);

// Writes the four files into `folder` and fsyncs them. Throws MachineError.
void write_counter_files(const std::filesystem::path& folder, CounterSpool& spool,
                         const CounterGrid& grid, const SeriesNames& names);

}  // namespace tl
