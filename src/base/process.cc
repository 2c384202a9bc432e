#include "base/process.hh"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/close_range.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <map>

#include "base/clock.hh"
#include "base/errors.hh"

extern char** environ;

namespace tl {
namespace {

std::vector<std::string> environment_of(const ChildOptions& options) {
  std::map<std::string, std::string> variables;
  for (char** entry = environ; options.inherits_environment && *entry != nullptr; ++entry) {
    const std::string text{*entry};
    const std::size_t equals = text.find('=');
    if (equals != std::string::npos) variables[text.substr(0, equals)] = text.substr(equals + 1);
  }
  for (const auto& [name, value] : options.environment) variables[name] = value;
  std::vector<std::string> entries;
  for (const auto& [name, value] : variables) entries.push_back(name + "=" + value);
  return entries;
}

std::vector<char*> pointers(std::vector<std::string>& texts) {
  std::vector<char*> result;
  for (std::string& text : texts) result.push_back(text.data());
  result.push_back(nullptr);
  return result;
}

// Everything between fork and exec. Returns the errno of the step that failed; async-signal-safe
// calls only.
int become(const ChildOptions& options, pid_t parent, const char* program, char* const* argv,
           char* const* envp) {
  if (options.own_process_group) ::setpgid(0, 0);
  struct sigaction defaults {};
  defaults.sa_handler = SIG_DFL;
  for (int number = 1; number < 32; ++number) ::sigaction(number, &defaults, nullptr);
  sigset_t none;
  sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);

  const int null_fd = ::open("/dev/null", O_RDWR | O_CLOEXEC);
  const std::array<int, 3> wanted{options.stdin_fd >= 0 ? options.stdin_fd : null_fd,
                                  options.stdout_fd, options.stderr_fd};
  // First lift every source above 2, so that no dup2 overwrites one that is still needed.
  std::array<int, 3> lifted{-1, -1, -1};
  for (std::size_t i = 0; i < 3; ++i)
    if (wanted[i] >= 0 && (lifted[i] = ::fcntl(wanted[i], F_DUPFD_CLOEXEC, 3)) < 0) return errno;
  for (std::size_t i = 0; i < 3; ++i)
    if (lifted[i] >= 0 && ::dup2(lifted[i], static_cast<int>(i)) < 0) return errno;

  if (options.prepare) {
    const int error = options.prepare();
    if (error != 0) return error;
  }
  if (options.die_with_parent) {  // after prepare: changing the user id clears it (prctl(2))
    if (::prctl(PR_SET_PDEATHSIG, SIGKILL) != 0) return errno;
    if (::getppid() != parent) return ESRCH;
  }
  // Libraries open descriptors without O_CLOEXEC (libcurl's sockets): a program starts with 0,
  // 1, 2.
  ::syscall(SYS_close_range, 3U, ~0U, CLOSE_RANGE_CLOEXEC);  // since Linux 5.11; a bonus before
  ::execve(program, argv, envp);
  return errno;
}

}  // namespace

std::string ExitStatus::text() const {
  return signal != 0 ? fmt::format("signal {} ({})", signal, ::strsignal(signal))
                     : fmt::format("exit code {}", code);
}

std::string printable(const Argv& argv) {
  std::string line;
  for (const std::string& word : argv) {
    if (!line.empty()) line += ' ';
    const bool plain =
        !word.empty() && word.find_first_of(" \t\n'\"\\$`*?&|;<>()") == std::string::npos;
    line += plain ? word : "'" + word + "'";
  }
  return line;
}

std::optional<std::string> find_program(const std::string& name) {
  if (name.find('/') != std::string::npos)
    return ::access(name.c_str(), X_OK) == 0 ? std::optional{name} : std::nullopt;
  const char* path = ::getenv("PATH");
  std::string folders = path != nullptr ? path : "/usr/local/bin:/usr/bin:/bin";
  folders += ":/usr/sbin:/sbin";
  for (std::size_t begin = 0; begin <= folders.size();) {
    const std::size_t end = std::min(folders.find(':', begin), folders.size());
    const std::string candidate = folders.substr(begin, end - begin) + "/" + name;
    if (end > begin && ::access(candidate.c_str(), X_OK) == 0) return candidate;
    begin = end + 1;
  }
  return std::nullopt;
}

Child::Child(const Argv& argv, const ChildOptions& options)
    : own_group_{options.own_process_group} {
  const auto program = find_program(argv.at(0));
  if (!program) throw MachineError{"start " + argv[0] + ": no such program in PATH"};
  Argv words = argv;
  std::vector<std::string> entries = environment_of(options);
  const std::vector<char*> argument_pointers = pointers(words);
  const std::vector<char*> environment_pointers = pointers(entries);
  auto [error_read, error_write] = make_pipe();
  const pid_t parent = ::getpid();
  pid_ = ::fork();
  if (pid_ < 0) throw_errno("fork for", argv[0]);
  if (pid_ == 0) {
    const int error = become(options, parent, program->c_str(), argument_pointers.data(),
                             environment_pointers.data());
    [[maybe_unused]] const ssize_t n = ::write(error_write.get(), &error, sizeof error);
    ::_exit(127);
  }
  pidfd_ = UniqueFd{static_cast<int>(::syscall(SYS_pidfd_open, pid_, 0U))};
  error_write = UniqueFd{};
  int error = 0;
  ssize_t n = 0;
  while ((n = ::read(error_read.get(), &error, sizeof error)) < 0 && errno == EINTR) {
  }
  if (n == static_cast<ssize_t>(sizeof error)) {
    ::waitpid(pid_, nullptr, 0);
    throw_errno(error, "start", argv[0]);
  }
}

Child::Child(Child&& other) noexcept
    : pid_{std::exchange(other.pid_, -1)},
      pidfd_{std::move(other.pidfd_)},
      status_{other.status_},
      own_group_{other.own_group_} {}

Child& Child::operator=(Child&& other) noexcept {
  std::swap(pid_, other.pid_);
  std::swap(pidfd_, other.pidfd_);
  std::swap(status_, other.status_);
  std::swap(own_group_, other.own_group_);
  return *this;
}

Child::~Child() {
  if (pid_ < 0 || status_) return;
  ::kill(own_group_ ? -pid_ : pid_, SIGKILL);
  ::kill(pid_, SIGKILL);  // it may not have reached setpgid yet
  ::waitpid(pid_, nullptr, 0);
}

std::optional<ExitStatus> Child::poll_status() {
  if (status_ || pid_ < 0) return status_;
  int raw = 0;
  if (::waitpid(pid_, &raw, WNOHANG) != pid_) return std::nullopt;
  status_ = WIFSIGNALED(raw) ? ExitStatus{0, WTERMSIG(raw)} : ExitStatus{WEXITSTATUS(raw), 0};
  return status_;
}

std::optional<ExitStatus> Child::wait(std::chrono::nanoseconds limit) {
  const Deadline deadline{limit};
  while (!poll_status() && !deadline.passed()) {
    pollfd ended{pidfd_.get(), POLLIN, 0};
    ::poll(&ended, 1, deadline.remaining_ms());
  }
  return poll_status();
}

void Child::signal(int number) {
  if (!poll_status() && pid_ > 0) ::kill(pid_, number);
}

ExitStatus Child::terminate(std::chrono::nanoseconds grace) {
  signal(SIGTERM);
  if (const auto ended = wait(grace)) return *ended;
  ::kill(own_group_ ? -pid_ : pid_, SIGKILL);
  return wait(std::chrono::hours{1}).value_or(ExitStatus{0, SIGKILL});
}

namespace {

// Moves bytes between the child's pipes and memory until both outputs are closed or the deadline
// passes.
bool pump(UniqueFd& in, std::string_view to_send, UniqueFd& out, std::string& out_text,
          UniqueFd& err, std::string& err_text, const Deadline& deadline) {
  ::fcntl(in.get(), F_SETFL, O_NONBLOCK);
  if (to_send.empty()) in = UniqueFd{};
  std::array<char, 65536> chunk;
  while (out.valid() || err.valid()) {
    if (deadline.passed()) return false;
    std::array<pollfd, 3> wanted{pollfd{out.get(), POLLIN, 0}, pollfd{err.get(), POLLIN, 0},
                                 pollfd{in.get(), POLLOUT, 0}};
    ::poll(wanted.data(), wanted.size(), deadline.remaining_ms());
    for (const auto& [fd, text, event] :
         {std::tuple{&out, &out_text, &wanted[0]}, std::tuple{&err, &err_text, &wanted[1]}}) {
      if (!fd->valid() || event->revents == 0) continue;
      const ssize_t n = ::read(fd->get(), chunk.data(), chunk.size());
      if (n > 0) text->append(chunk.data(), static_cast<std::size_t>(n));
      if (n == 0 || (n < 0 && errno != EINTR && errno != EAGAIN)) *fd = UniqueFd{};
    }
    if (!in.valid() || wanted[2].revents == 0) continue;
    const ssize_t n = ::write(in.get(), to_send.data(), to_send.size());
    if (n > 0) to_send.remove_prefix(static_cast<std::size_t>(n));
    if (to_send.empty() || (n < 0 && errno != EINTR && errno != EAGAIN)) in = UniqueFd{};
  }
  return true;
}

}  // namespace

CommandResult run_command(const Argv& argv, std::chrono::nanoseconds limit,
                          const std::string& stdin_text, ChildOptions options) {
  const Deadline deadline{limit};
  auto [in_read, in_write] = make_pipe();
  auto [out_read, out_write] = make_pipe();
  auto [err_read, err_write] = make_pipe();
  options.stdin_fd = in_read.get();
  options.stdout_fd = out_write.get();
  options.stderr_fd = err_write.get();
  Child child{argv, options};
  in_read = UniqueFd{};
  out_write = UniqueFd{};
  err_write = UniqueFd{};
  CommandResult result;
  const bool finished =
      pump(in_write, stdin_text, out_read, result.out, err_read, result.err, deadline);
  const auto status =
      finished ? child.wait(std::chrono::milliseconds{deadline.remaining_ms() + 1}) : std::nullopt;
  if (!status)
    throw MachineError{
        fmt::format("run {}: no end after {} s", argv[0], limit.count() / 1'000'000'000)};
  result.status = *status;
  return result;
}

std::string must_run(const Argv& argv, std::chrono::nanoseconds limit,
                     const std::string& stdin_text, ChildOptions options) {
  CommandResult result = run_command(argv, limit, stdin_text, std::move(options));
  if (result.status.ok()) return std::move(result.out);
  std::string_view reason = result.err;
  while (!reason.empty() && reason.back() == '\n') reason.remove_suffix(1);
  reason = reason.substr(reason.rfind('\n') + 1);
  throw MachineError{fmt::format("run {}: {}: {}", printable(argv), result.status.text(), reason)};
}

}  // namespace tl
