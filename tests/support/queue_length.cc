#include "support/queue_length.hh"

#include <net/if.h>

#include "base/errors.hh"
#include "queue_length.skel.h"

namespace tl::test {

QueueLength::QueueLength(const NetNs& netns, const std::string& device)
    : program_{queue_length__open(), &queue_length__destroy} {
  if (!program_) throw_errno("open", "queue length program");
  program_->rodata->netns_inode = static_cast<std::uint32_t>(netns.inode());
  program_->rodata->ifindex = netns.run([&] { return ::if_nametoindex(device.c_str()); });
  int error = queue_length__load(program_.get());
  if (error == 0) error = queue_length__attach(program_.get());
  if (error != 0) throw_errno(-error, "load", "queue length program");
}

std::uint64_t QueueLength::packets() const { return program_->bss->packets; }
std::uint64_t QueueLength::wire_bytes() const { return program_->bss->pkt_len_sum; }

}  // namespace tl::test
