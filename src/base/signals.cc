#include "base/signals.hh"

#include <poll.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <csignal>

#include "base/errors.hh"

namespace tl {
namespace {
sigset_t stop_set() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGINT);
  sigaddset(&set, SIGTERM);
  sigaddset(&set, SIGHUP);
  return set;
}
}  // namespace

StopSignals::StopSignals() {
  std::signal(SIGPIPE, SIG_IGN);
  const sigset_t set = stop_set();
  ::pthread_sigmask(SIG_BLOCK, &set, nullptr);
  fd_ = UniqueFd{::signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK)};
  if (!fd_.valid()) throw_errno("make", "signalfd");
}

StopSignals::~StopSignals() {
  const sigset_t set = stop_set();
  drain();  // a signal that was already reported must not kill us when it is unblocked
  ::pthread_sigmask(SIG_UNBLOCK, &set, nullptr);
}

void StopSignals::drain() {
  signalfd_siginfo info{};
  while (::read(fd_.get(), &info, sizeof info) == static_cast<ssize_t>(sizeof info)) {
    if (!first_) first_ = static_cast<int>(info.ssi_signo);
    ++count_;
  }
}

std::optional<int> StopSignals::received() {
  drain();
  return first_;
}

std::optional<int> StopSignals::wait(const Deadline& deadline) {
  while (!received() && !deadline.passed()) {
    pollfd wanted{fd_.get(), POLLIN, 0};
    ::poll(&wanted, 1, deadline.remaining_ms());
  }
  return first_;
}

bool StopSignals::insisted() {
  drain();
  return count_ > 1;
}

}  // namespace tl
