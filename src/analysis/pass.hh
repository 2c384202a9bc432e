// One walk over a capture for any number of questions. Each question is an observer; the capture is
// read, decoded and sorted into flows once, and only as deep as the deepest observer asks.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "analysis/capture_reader.hh"
#include "analysis/decode.hh"
#include "analysis/flow_table.hh"

namespace tl {

// Up to CaptureReader::kBatchPackets packets in file order; the spans are equally long, except that
// what nobody asked for is empty.
struct Batch {
  std::span<const Packet> packets;
  std::span<const PacketInfo> infos;
  std::span<const FlowRef> flows;
  std::uint64_t first_index = 0;  // of packets[0] in the capture, from 0
};

enum class Depth : std::uint8_t { packets, headers, flows };

class Observer {
 public:
  virtual ~Observer() = default;
  [[nodiscard]] virtual Depth depth() const = 0;
  virtual void on_batch(const Batch& batch) = 0;
  // The flow at `index` is about to be evicted from the table; the index will be another flow's.
  virtual void on_evict(std::uint32_t /*index*/, const Flow& /*flow*/) {}
};

class Pass {
 public:
  explicit Pass(CaptureReader& reader, std::uint32_t most_flows = FlowTable::kDefaultMostFlows)
      : reader_{reader}, flow_table_{most_flows} {}
  Pass(const Pass&) = delete;
  Pass& operator=(const Pass&) = delete;

  // Observers are called in the order they were added, and must outlive run().
  void add(Observer& observer);
  // Fills flows() even when no observer asks for them.
  void want_flows() { depth_ = Depth::flows; }
  // Reads to the end of the capture and returns why it ended there.
  const Stop& run();

  [[nodiscard]] const FlowTable& flows() const { return flow_table_; }
  [[nodiscard]] const CaptureReader& reader() const { return reader_; }

 private:
  CaptureReader& reader_;
  FlowTable flow_table_;
  std::vector<Observer*> observers_;
  Depth depth_ = Depth::packets;
  std::array<PacketInfo, CaptureReader::kBatchPackets> infos_;
  std::array<FlowRef, CaptureReader::kBatchPackets> refs_;
};

}  // namespace tl
