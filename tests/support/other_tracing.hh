// Tracing beside the counters: programs of other people, on the same events and on busy ones.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/fd.hh"
#include "probe/counter_kernel.hh"
#include "support/temporary.hh"

struct bpf_link;
struct other_tracing;

namespace tl::test {

// A file system of the kernel, mounted for a scope: sysfs shows the devices of the namespace of the
// thread that mounts it.
class Mounted {
 public:
  explicit Mounted(const char* type);
  ~Mounted();
  Mounted(const Mounted&) = delete;
  Mounted& operator=(const Mounted&) = delete;
  [[nodiscard]] const std::filesystem::path& path() const { return folder_.path(); }

 private:
  TemporaryFolder folder_;
};

class OtherTracing {
 public:
  // Loads everything and attaches nothing. Counts what the namespace `netns_inode` receives.
  explicit OtherTracing(std::uint64_t netns_inode);
  ~OtherTracing();
  OtherTracing(const OtherTracing&) = delete;
  OtherTracing& operator=(const OtherTracing&) = delete;

  // Counts received packets, as a classic tracepoint program and as a tp_btf program.
  void attach_classic();
  void attach_twin();
  // Does nothing for each received packet.
  void attach_empty();
  // Counts every context switch of the machine in a hash map.
  void attach_sched_switch();

  [[nodiscard]] std::uint64_t classic_packets() const;
  [[nodiscard]] std::uint64_t twin_packets() const;
  [[nodiscard]] std::uint64_t switches() const;
  [[nodiscard]] ProgramFacts twin_facts() const;
  [[nodiscard]] ProgramFacts empty_facts() const;
  // Reads a large value by a system call once.
  void read_large_value() const;

 private:
  std::unique_ptr<other_tracing, void (*)(other_tracing*)> programs_;
  std::unique_ptr<bpf_link, int (*)(bpf_link*)> classic_;
};

}  // namespace tl::test
