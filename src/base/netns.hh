// Network namespaces as values. Entering one is always done by a thread made for it, so that no
// other code of this process ever finds itself in a foreign namespace (setns(2) is per thread).
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <exception>
#include <filesystem>
#include <optional>
#include <thread>
#include <type_traits>

#include "base/fd.hh"

namespace tl {

class NetNs {
 public:
  // The namespace of the calling thread.
  static NetNs current();
  // /proc/PID/ns/net. Needs ptrace rights over PID (CAP_SYS_PTRACE for other users' processes).
  static NetNs of_process(pid_t pid);
  // A namespace file such as /run/netns/NAME.
  static NetNs open(const std::filesystem::path& path);
  // A new, empty namespace with lo up. It lives as long as this object, a duplicate of it, or a
  // process in it: nothing has to be removed afterwards.
  static NetNs create();

  [[nodiscard]] int fd() const { return fd_.get(); }
  // The inode number, which the kernel reuses after the namespace has died: hold this object while
  // you compare.
  [[nodiscard]] std::uint64_t inode() const;
  [[nodiscard]] NetNs duplicate() const { return NetNs{fd_.duplicate()}; }

  // Runs `work` in a fresh thread inside the namespace; returns its result or rethrows its
  // exception. Sockets that it makes stay bound to the namespace. /proc/thread-self/net and
  // /proc/sys/net show this namespace there, /sys does not.
  template <class Work>
  std::invoke_result_t<Work> run(Work&& work) const {
    using Result = std::invoke_result_t<Work>;
    std::exception_ptr failure;
    if constexpr (std::is_void_v<Result>) {
      run_in_thread([&] { work(); }, failure);
      if (failure) std::rethrow_exception(failure);
    } else {
      std::optional<Result> result;
      run_in_thread([&] { result.emplace(work()); }, failure);
      if (failure) std::rethrow_exception(failure);
      return std::move(*result);
    }
  }

  // setns(2) of the calling thread, for threads made for one namespace; nothing to do when it is
  // there already. Throws MachineError.
  void enter() const;

 private:
  explicit NetNs(UniqueFd fd) : fd_{std::move(fd)} {}
  template <class Body>
  void run_in_thread(Body&& body, std::exception_ptr& failure) const {
    std::thread thread{[&] {
      try {
        enter();
        body();
      } catch (...) {
        failure = std::current_exception();
      }
    }};
    thread.join();
  }
  UniqueFd fd_;
};

}  // namespace tl
