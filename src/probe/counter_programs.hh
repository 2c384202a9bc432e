// The counter programs and their maps, in the variant that fits the kernel.
#pragma once

#include <memory>

#include "probe/counter_kernel.hh"

struct bpf_map;
struct bpf_object;
struct bpf_object_skeleton;
struct bpf_program;

namespace tl {

class CounterPrograms {
 public:
  // Opens them and sets their constants, loading nothing. `layout` is complete.
  explicit CounterPrograms(const CounterLayout& layout);
  ~CounterPrograms();
  CounterPrograms(const CounterPrograms&) = delete;
  CounterPrograms& operator=(const CounterPrograms&) = delete;

  [[nodiscard]] bpf_object* object() const;
  // Throws MachineError when there is none.
  [[nodiscard]] bpf_map* map(const std::string& name) const;
  // Null when there is none: some variants have fewer.
  [[nodiscard]] bpf_program* program(const std::string& name) const;

  // Makes a map of one value, which so can have its address in the programs' instructions, and
  // returns its file descriptor. Before loading, which makes the others; throws as load() does.
  int make_map(const std::string& name, std::size_t value_bytes) const;
  // Throws MachineError with what the kernel, its verifier or libbpf says.
  void load() const;
  // What has been chosen and is not yet attached.
  void attach() const;
  void detach() const;

  // What user space tells the programs. Once loaded.
  [[nodiscard]] volatile tl_control& control() const;

 private:
  struct Variant;
  std::unique_ptr<Variant> variant_;
};

}  // namespace tl
