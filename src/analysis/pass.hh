// One walk over a capture for any number of questions. Each question is an observer; the capture is
// read, decoded and sorted into flows once, and only as deep as the deepest observer asks.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "analysis/capture_reader.hh"
#include "analysis/decode.hh"
#include "analysis/flow_table.hh"

namespace tl {

// What a batch is as a whole, so that observers can take it in one step when nothing in it is odd.
// The tally's ip_bytes and payload_bytes and what comes from infos need Depth::headers.
struct Digest {
  Tally tally;
  TimeRange time;  // of the packets that have one
  std::uint64_t captured_bytes = 0;
  std::uint32_t truncated = 0, smallest = UINT32_MAX, largest = 0;  // frame bytes
  std::uint32_t largest_ip_bytes = 0;
  std::uint16_t packet_flags = 0;  // those of all packets together
  std::uint8_t info_flags = 0;
  bool in_order = true;       // no packet is earlier than the one before
  bool one_interface = true;  // all packets are of the same interface
  bool one_kind = true;       // … and of the same content, IP version and protocol
};
Digest digest(std::span<const Packet> packets, std::span<const PacketInfo> infos);

// Up to CaptureReader::kBatchPackets packets in file order; the spans are equally long, except that
// what nobody asked for is empty.
struct Batch {
  std::span<const Packet> packets;
  std::span<const PacketInfo> infos;
  std::span<const FlowRef> flows;
  std::uint64_t first_index = 0;  // of packets[0] in the capture, from 0
  Digest digest;
};

enum class Depth : std::uint8_t { packets, headers, flows };

class Observer {
 public:
  virtual ~Observer() = default;
  [[nodiscard]] virtual Depth depth() const = 0;
  virtual void on_batch(const Batch& batch) = 0;
  // The flow at `index` is about to be evicted from the table; the index will be another flow's.
  virtual void on_evict(std::uint32_t /*index*/, const Flow& /*flow*/) {}

  // Questions that can be asked of the parts of a capture apart. part() is an empty observer for a
  // part, whose flows will be in `flows`; null where every packet must be seen in order. is_whole()
  // says, of a part, whether what it has seen can be judged without what came before. join() adds
  // the part that follows, as if it had come batch by batch, which can_join() says is possible.
  // Both are given what part() made.
  [[nodiscard]] virtual std::unique_ptr<Observer> part(const FlowTable& /*flows*/) const {
    return nullptr;
  }
  [[nodiscard]] virtual bool is_whole() const { return true; }
  [[nodiscard]] virtual bool can_join(const Observer& /*part*/) const { return true; }
  virtual void join(const Observer& /*part*/) {}
};

// A batch with everything that can be said about its packets one by one, without those before:
// what another thread may work out. `packets` may lie in `storage`, or anywhere else.
struct DecodedBatch {
  std::span<const Packet> packets;
  std::uint64_t first_index = 0;
  Digest digest;
  std::array<PacketInfo, CaptureReader::kBatchPackets> infos;
  std::array<FlowTable::Wanted, CaptureReader::kBatchPackets> wanted;
  std::array<Packet, CaptureReader::kBatchPackets> storage;
};

// Decodes packets, sorts them into flows and shows them to the observers. Who has the packets calls
// take(): a pass over a capture, or a tap that is live.
class Walk {
 public:
  explicit Walk(std::uint32_t most_flows = FlowTable::kDefaultMostFlows)
      : flow_table_{most_flows} {}
  Walk(const Walk&) = delete;
  Walk& operator=(const Walk&) = delete;

  // Observers are called in the order they were added, and must outlive the last take().
  void add(Observer& observer);
  // Fills flows() even when no observer asks for them.
  void want_flows() { depth_ = Depth::flows; }
  // The next packets, at least one and at most CaptureReader::kBatchPackets; `first_index` is the
  // number of the first, from 0.
  void take(std::span<const Packet> packets, std::uint64_t first_index);
  // The same in two steps. decode() fills what follows from `packets`; other threads may call it
  // while this one is in take().
  void decode(DecodedBatch& batch) const;
  void take(const DecodedBatch& batch);

  [[nodiscard]] const FlowTable& flows() const { return flow_table_; }

  // A walk over a part of the capture, in a thread of its own, for the same questions; null when
  // one of them needs every packet in order. restart_part() makes it ready for another part.
  [[nodiscard]] std::unique_ptr<Walk> part() const;
  void restart_part(const Walk& whole);
  // Of a part: whether all in it can be judged without what came before. Once false, it stays so.
  [[nodiscard]] bool is_whole() const;
  // Adds the part that follows what was taken so far; false, and nothing is changed, when that
  // would not give what taking its packets gives.
  [[nodiscard]] bool join(const Walk& part);

 private:
  explicit Walk(FlowTable flow_table) : flow_table_{std::move(flow_table)} {}

  FlowTable flow_table_;
  std::vector<Observer*> observers_;
  std::vector<std::unique_ptr<Observer>> owned_;  // a part's
  Depth depth_ = Depth::packets;
  std::array<FlowRef, CaptureReader::kBatchPackets> refs_;
  DecodedBatch own_;
};

class Pass {
 public:
  explicit Pass(CaptureReader& reader, std::uint32_t most_flows = FlowTable::kDefaultMostFlows)
      : reader_{reader}, walk_{most_flows} {}

  // As those of Walk; observers must outlive run().
  void add(Observer& observer) { walk_.add(observer); }
  void want_flows() { walk_.want_flows(); }
  // Reads to the end of the capture and returns why it ended there. Large files are read by several
  // threads: in parts, where all questions allow that; else one reads and decodes ahead. Observers
  // that were added are called by this one.
  const Stop& run();

  [[nodiscard]] const FlowTable& flows() const { return walk_.flows(); }
  [[nodiscard]] const CaptureReader& reader() const { return reader_; }

 private:
  const Stop& read_ahead();

  CaptureReader& reader_;
  Walk walk_;
};

}  // namespace tl
