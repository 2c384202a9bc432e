#include "lab/watched_command.hh"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <sstream>

#include "base/clock.hh"
#include "base/errors.hh"

namespace tl {
namespace {

constexpr std::chrono::seconds kTidyLimit{10};

ExitStatus run(const WatchedCommand& command, StopSignals* stop, int stdout_fd) {
  const UniqueFd log = open_fd(command.log, O_WRONLY | O_CREAT | O_APPEND);
  ChildOptions options;
  options.environment = command.environment;
  options.stdout_fd = stdout_fd >= 0 ? stdout_fd : log.get();
  options.stderr_fd = log.get();
  const std::string name =
      printable({command.argv.begin(),
                 command.argv.begin() + std::min<std::ptrdiff_t>(2, std::ssize(command.argv))});
  const Deadline deadline{command.limit};
  Child child{command.argv, options};
  for (;;) {
    if (const auto status = child.poll_status()) return *status;
    if (stop != nullptr && stop->received()) {
      (void)child.terminate(kTidyLimit);
      throw Interrupted{"interrupted during " + name};
    }
    if (deadline.passed()) {
      (void)child.terminate(kTidyLimit);
      throw MachineError{fmt::format("run {}: no end after {} s (see {})", name,
                                     command.limit.count(), command.log.filename().native())};
    }
    std::array<pollfd, 2> wanted{pollfd{child.pidfd(), POLLIN, 0},
                                 pollfd{stop != nullptr ? stop->fd() : -1, POLLIN, 0}};
    ::poll(wanted.data(), wanted.size(), deadline.remaining_ms());
  }
}

bool speaks_of_error(std::string line) {
  // Compose's last line, after those that say which.
  if (line.starts_with("Encountered errors")) return false;
  std::transform(line.begin(), line.end(), line.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return line.find("error") != std::string::npos || line.find("failed") != std::string::npos ||
         line.find("cannot") != std::string::npos || line.starts_with("e: ");
}

}  // namespace

ExitStatus run_watched(const WatchedCommand& command, StopSignals* stop) {
  return run(command, stop, -1);
}

std::string answer_of(const WatchedCommand& command, StopSignals* stop) {
  const UniqueFd answer{::memfd_create("answer", MFD_CLOEXEC)};
  if (!answer.valid()) throw_errno("make", "memfd");
  const ExitStatus status = run(command, stop, answer.get());
  if (!status.ok())
    throw MachineError{
        fmt::format("run {}: {}: {}", command.argv.at(0), status.text(), explains(command.log))};
  std::string text = read_value(fmt::format("/proc/self/fd/{}", answer.get()));
  return text.substr(text.rfind('\n') + 1);
}

std::string explains(const std::filesystem::path& log) {
  std::istringstream lines{read_value(log)};
  std::string last, error;
  for (std::string line; std::getline(lines, line);) {
    if (line.find_first_not_of(" \t\r") == std::string::npos) continue;
    last = line;
    if (speaks_of_error(line)) error = line;
  }
  return error.empty() ? last : error;
}

}  // namespace tl
