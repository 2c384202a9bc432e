#include "live/supervisor.hh"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <csignal>
#include <optional>

#include "base/clock.hh"
#include "base/errors.hh"
#include "base/fd.hh"

namespace tl::live {

struct Supervisor::Running {
  SupervisedProcess what;
  std::optional<Child> child;
  UniqueFd out;
  std::string partial;  // a line that has not ended
  std::int64_t started_ns = 0;
  std::int64_t start_again_ns = 0;  // when it is dead
  std::chrono::nanoseconds pause{0};
};

Supervisor::Supervisor(std::vector<SupervisedProcess> processes, SupervisorLimits limits,
                       OnLine on_line, OnEvent on_event)
    : limits_{limits}, on_line_{std::move(on_line)}, on_event_{std::move(on_event)} {
  for (SupervisedProcess& process : processes) {
    processes_.push_back(std::make_unique<Running>());
    processes_.back()->what = std::move(process);
    processes_.back()->pause = limits_.first_pause;
    start(*processes_.back());
  }
}

Supervisor::~Supervisor() = default;

void Supervisor::start(Running& process) {
  auto [read_end, write_end] = make_pipe();
  (void)::fcntl(read_end.get(), F_SETFL, O_NONBLOCK);
  ChildOptions options;
  options.stdout_fd = write_end.get();
  process.child.emplace(process.what.argv, options);
  process.out = std::move(read_end);
  process.partial.clear();
  process.started_ns = monotonic_ns();
  on_event_(fmt::format("{}: pid {}", process.what.name, process.child->pid()));
}

std::vector<pid_t> Supervisor::pids() const {
  std::vector<pid_t> result;
  for (const auto& process : processes_)
    if (process->child) result.push_back(process->child->pid());
  return result;
}

void Supervisor::read_lines(Running& process) {
  std::array<char, 65536> chunk{};
  while (process.out.valid()) {
    const ssize_t n = ::read(process.out.get(), chunk.data(), chunk.size());
    if (n <= 0) break;
    process.partial.append(chunk.data(), static_cast<std::size_t>(n));
  }
  std::size_t begin = 0;
  for (std::size_t end = process.partial.find('\n'); end != std::string::npos;
       begin = end + 1, end = process.partial.find('\n', begin))
    on_line_(process.what.name, process.partial.substr(begin, end - begin));
  process.partial.erase(0, begin);
}

void Supervisor::bury(Running& process, const ExitStatus& status) {
  read_lines(process);
  const std::int64_t now_ns = monotonic_ns();
  if (now_ns - process.started_ns >= limits_.healthy_after.count())
    process.pause = limits_.first_pause;
  on_event_(fmt::format("{}: ended with {}; started again in {:.1f} s", process.what.name,
                        status.text(), std::chrono::duration<double>{process.pause}.count()));
  process.start_again_ns = now_ns + process.pause.count();
  process.pause = std::min(process.pause * 2, limits_.longest_pause);
  process.child.reset();
  process.out = UniqueFd{};
}

// The machine may be out of processes or memory for a while: that is not the end of the others.
void Supervisor::start_again(Running& process) {
  try {
    start(process);
  } catch (const MachineError& error) {
    process.child.reset();
    process.start_again_ns = monotonic_ns() + process.pause.count();
    on_event_(error.what());
  }
}

int Supervisor::milliseconds_until_next_start() const {
  std::int64_t next_ns = -1;
  for (const auto& process : processes_)
    if (!process->child && (next_ns < 0 || process->start_again_ns < next_ns))
      next_ns = process->start_again_ns;
  if (next_ns < 0) return -1;  // poll(2): for ever
  return static_cast<int>(std::max<std::int64_t>(0, (next_ns - monotonic_ns()) / 1'000'000 + 1));
}

void Supervisor::run(int stop_fd) {
  while (true) {
    std::vector<pollfd> wanted{{stop_fd, POLLIN, 0}};
    for (const auto& process : processes_) {
      if (!process->child) continue;
      wanted.push_back({process->child->pidfd(), POLLIN, 0});
      wanted.push_back({process->out.get(), POLLIN, 0});
    }
    (void)::poll(wanted.data(), wanted.size(), milliseconds_until_next_start());
    if (wanted[0].revents != 0) return;
    for (const auto& process : processes_) {
      if (process->child) {
        read_lines(*process);
        if (const auto status = process->child->poll_status()) bury(*process, *status);
      } else if (monotonic_ns() >= process->start_again_ns) {
        start_again(*process);
      }
    }
  }
}

void Supervisor::stop(std::chrono::nanoseconds grace) {
  for (const auto& process : processes_)
    if (process->child) process->child->signal(SIGTERM);
  const Deadline deadline{grace};
  for (const auto& process : processes_) {
    if (!process->child) continue;
    const auto left = std::chrono::milliseconds{deadline.remaining_ms()};
    (void)process->child->terminate(left);
    read_lines(*process);
    process->child.reset();
  }
}

}  // namespace tl::live
