#include "base/netns.hh"

#include <fcntl.h>
#include <net/if.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <cstring>

#include "base/errors.hh"

namespace tl {
namespace {

void set_loopback_up() {
  const UniqueFd socket{::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0)};
  ifreq request{};
  std::strcpy(request.ifr_name, "lo");
  if (!socket.valid() || ::ioctl(socket.get(), SIOCGIFFLAGS, &request) != 0)
    throw_errno("read flags of", "lo");
  request.ifr_flags = static_cast<short>(request.ifr_flags | IFF_UP);
  if (::ioctl(socket.get(), SIOCSIFFLAGS, &request) != 0) throw_errno("set up", "lo");
}

}  // namespace

NetNs NetNs::current() { return open("/proc/thread-self/ns/net"); }

NetNs NetNs::of_process(pid_t pid) { return open("/proc/" + std::to_string(pid) + "/ns/net"); }

NetNs NetNs::open(const std::filesystem::path& path) { return NetNs{open_fd(path, O_RDONLY)}; }

NetNs NetNs::create() {
  std::optional<NetNs> made;
  std::exception_ptr failure;
  std::thread{[&] {
    try {
      if (::unshare(CLONE_NEWNET) != 0) throw_errno("make", "network namespace");
      set_loopback_up();
      made.emplace(current());
    } catch (...) {
      failure = std::current_exception();
    }
  }}.join();
  if (failure) std::rethrow_exception(failure);
  return std::move(*made);
}

std::uint64_t NetNs::inode() const {
  struct stat info {};
  if (::fstat(fd_.get(), &info) != 0) throw_errno("stat", "network namespace");
  return info.st_ino;
}

void NetNs::enter() const {
  if (inode() == current().inode()) return;  // so that it needs no privilege
  if (::setns(fd_.get(), CLONE_NEWNET) != 0) throw_errno("enter", "network namespace");
}

}  // namespace tl
