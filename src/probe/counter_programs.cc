#include "probe/counter_programs.hh"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <fmt/format.h>

#include "base/errors.hh"
#include "base/fd.hh"
#include "counters.skel.h"
#include "counters_probing.skel.h"
#include "counters_raw.skel.h"
#include "probe/bpf_messages.hh"
#include "probe/counter_constants.hh"
#include "probe/kernel_abilities.hh"

namespace tl {

struct CounterPrograms::Variant {
  virtual ~Variant() = default;
  Variant() = default;
  Variant(const Variant&) = delete;
  Variant& operator=(const Variant&) = delete;
  [[nodiscard]] virtual volatile tl_control& control() const = 0;
  bpf_object_skeleton* skeleton = nullptr;
  bpf_object* object = nullptr;
};

namespace {

// `Skeleton`: what bpftool made of an object file.
template <class Base, class Skeleton>
class Variant final : public Base {
 public:
  Variant(Skeleton* opened, void (*destroy)(Skeleton*), const CounterLayout& layout)
      : opened_{opened, destroy} {
    if (!opened_) throw_errno("open", "counter programs");
    set_counter_constants(*opened_->rodata, layout);
    this->skeleton = opened_->skeleton;
    this->object = opened_->obj;
  }
  [[nodiscard]] volatile tl_control& control() const override { return opened_->bss->tl_control; }

 private:
  std::unique_ptr<Skeleton, void (*)(Skeleton*)> opened_;
};

// `error`: below zero.
[[noreturn]] void throw_refusal(int error) {
  if (!verifier_refused() && (error == -EPERM || error == -EACCES))
    throw MachineError{"load counters: " + errno_text(-error) +
                       " (the capabilities are there, but a user namespace, a seccomp filter "
                       "or the kernel's lockdown forbids it)"};
  if (error == -ESRCH || error == -ENOENT)
    throw MachineError{
        "load counters: the kernel has no BTF (boot one built with CONFIG_DEBUG_INFO_BTF=y)"};
  throw MachineError{
      fmt::format("load counters: {}: {}", errno_text(-error), last_libbpf_message())};
}

}  // namespace

CounterPrograms::CounterPrograms(const CounterLayout& layout) {
  using Base = CounterPrograms::Variant;
  if (layout.variant == CounterVariant::raw_tp)
    variant_ = std::make_unique<tl::Variant<Base, counters_raw>>(counters_raw__open(),
                                                                 &counters_raw__destroy, layout);
  else if (layout.variant == CounterVariant::probing || !kernel_abilities().reads_directly)
    variant_ = std::make_unique<tl::Variant<Base, counters_probing>>(
        counters_probing__open(), &counters_probing__destroy, layout);
  else
    variant_ =
        std::make_unique<tl::Variant<Base, counters>>(counters__open(), &counters__destroy, layout);
}

CounterPrograms::~CounterPrograms() = default;

bpf_object* CounterPrograms::object() const { return variant_->object; }

bpf_map* CounterPrograms::map(const std::string& name) const {
  bpf_map* found = bpf_object__find_map_by_name(object(), name.c_str());
  if (found == nullptr) throw MachineError{"load counters: no map " + name};
  return found;
}

bpf_program* CounterPrograms::program(const std::string& name) const {
  return bpf_object__find_program_by_name(object(), name.c_str());
}

int CounterPrograms::make_map(const std::string& name, std::size_t value_bytes) const {
  bpf_map* declared = map(name);
  bpf_map_create_opts options{};
  options.sz = sizeof options;
  options.map_flags = bpf_map__map_flags(declared);
  const UniqueFd made{bpf_map_create(BPF_MAP_TYPE_ARRAY, name.c_str(), sizeof(__u32),
                                     static_cast<__u32>(value_bytes), 1, &options)};
  if (made.get() < 0) throw_refusal(-errno);
  if (const int error = bpf_map__reuse_fd(declared, made.get()); error != 0) throw_refusal(error);
  return bpf_map__fd(declared);
}

void CounterPrograms::load() const {
  const int error = bpf_object__load_skeleton(variant_->skeleton);
  if (error != 0) throw_refusal(error);
}

void CounterPrograms::attach() const {
  const int error = bpf_object__attach_skeleton(variant_->skeleton);
  if (error != 0)
    throw MachineError{
        fmt::format("attach counters: {}: {}", errno_text(-error), last_libbpf_message())};
}

void CounterPrograms::detach() const { bpf_object__detach_skeleton(variant_->skeleton); }

volatile tl_control& CounterPrograms::control() const { return variant_->control(); }

}  // namespace tl
