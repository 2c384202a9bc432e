#include "support/other_tracing.hh"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/perf_event.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/errors.hh"
#include "other_tracing.skel.h"

namespace tl::test {
namespace {

ProgramFacts facts_of(const bpf_program* program) {
  bpf_prog_info info{};
  __u32 length = sizeof info;
  if (bpf_obj_get_info_by_fd(bpf_program__fd(program), &info, &length) != 0)
    throw_errno("ask about", bpf_program__name(program));
  return {info.recursion_misses, info.run_cnt, info.run_time_ns};
}

void attach(bpf_link*& link, const bpf_program* program) {
  link = bpf_program__attach(program);
  if (link == nullptr) throw_errno("attach", bpf_program__name(program));
}

}  // namespace

Mounted::Mounted(const char* type) {
  if (::mount(type, folder_.path().c_str(), type, MS_NOSUID | MS_NODEV | MS_NOEXEC, nullptr) != 0)
    throw_errno("mount", type);
}

Mounted::~Mounted() { ::umount2(folder_.path().c_str(), MNT_DETACH); }

OtherTracing::OtherTracing(std::uint64_t netns_inode)
    : programs_{other_tracing__open(), &other_tracing__destroy},
      classic_{nullptr, &bpf_link__destroy} {
  if (!programs_) throw_errno("open", "other tracing programs");
  programs_->rodata->netns_inode = static_cast<std::uint32_t>(netns_inode);
  if (other_tracing__load(programs_.get()) != 0) throw_errno("load", "other tracing programs");
}

OtherTracing::~OtherTracing() = default;

void OtherTracing::attach_classic() {
  const Mounted tracefs{"tracefs"};
  perf_event_attr event{};
  event.size = sizeof event;
  event.type = PERF_TYPE_TRACEPOINT;
  event.config = std::stoull(read_value(tracefs.path() / "events/net/netif_receive_skb/id"));
  // Of one CPU: the programs of an event run on all of them.
  const long fd = ::syscall(SYS_perf_event_open, &event, -1, 0, -1, PERF_FLAG_FD_CLOEXEC);
  if (fd < 0) throw_errno("open", "a perf event");
  classic_.reset(bpf_program__attach_perf_event(programs_->progs.classic, static_cast<int>(fd)));
  if (!classic_) throw_errno("attach", "a classic tracepoint program");
}

void OtherTracing::attach_twin() { attach(programs_->links.twin, programs_->progs.twin); }
void OtherTracing::attach_empty() { attach(programs_->links.empty, programs_->progs.empty); }
void OtherTracing::attach_sched_switch() {
  attach(programs_->links.sched_switch, programs_->progs.sched_switch);
}

std::uint64_t OtherTracing::classic_packets() const { return programs_->bss->classic_packets; }
std::uint64_t OtherTracing::twin_packets() const { return programs_->bss->twin_packets; }
std::uint64_t OtherTracing::switches() const { return programs_->bss->switches; }
ProgramFacts OtherTracing::twin_facts() const { return facts_of(programs_->progs.twin); }
ProgramFacts OtherTracing::empty_facts() const { return facts_of(programs_->progs.empty); }

void OtherTracing::read_large_value() const {
  std::vector<char> value(bpf_map__value_size(programs_->maps.large));
  const std::uint32_t first = 0;
  if (bpf_map_lookup_elem(bpf_map__fd(programs_->maps.large), &first, value.data()) != 0)
    throw_errno("read", "a large value");
}

}  // namespace tl::test
