// Child processes: argv vectors only, pidfds, deadlines, no zombies, no orphans.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/fd.hh"

namespace tl {

using Argv = std::vector<std::string>;

// How a child ended.
struct ExitStatus {
  int code = 0;    // exit code, when signal == 0
  int signal = 0;  // the signal that ended it, or 0
  [[nodiscard]] bool ok() const { return code == 0 && signal == 0; }
  [[nodiscard]] std::string text() const;  // "exit code 2", "signal 9 (Killed)"
};

struct ChildOptions {
  // Added to, or replacing, the parent's environment; or the whole of it. Who runs as somebody else
  // must not get what the parent's may hold: secrets.
  std::vector<std::pair<std::string, std::string>> environment;
  bool inherits_environment = true;
  int stdin_fd = -1;   // borrowed for the call; -1 is /dev/null
  int stdout_fd = -1;  // -1 inherits
  int stderr_fd = -1;  // -1 inherits
  bool own_process_group =
      true;  // so that Ctrl-C on the terminal reaches us alone and we stop children in order
  bool die_with_parent =
      true;  // SIGKILL when the *thread* that started it ends: start long-lived children from main
  // Runs in the child after fork and before exec: setns, capabilities, user. Only async-signal-safe
  // calls; returns 0, or an errno that is then reported by the constructor of Child.
  std::function<int()> prepare;
};

// A running child. The destructor sends SIGKILL to its process group and reaps it when it is still
// alive.
class Child {
 public:
  // Starts argv[0], found through PATH. Throws MachineError "start NAME: reason" also when exec
  // fails.
  explicit Child(const Argv& argv, const ChildOptions& options = {});
  Child(Child&& other) noexcept;
  Child& operator=(Child&& other) noexcept;
  ~Child();

  [[nodiscard]] pid_t pid() const { return pid_; }
  // Readable once the child has ended. For poll(2).
  [[nodiscard]] int pidfd() const { return pidfd_.get(); }
  // The status once it has ended; never blocks.
  std::optional<ExitStatus> poll_status();
  // Waits up to `limit`.
  std::optional<ExitStatus> wait(std::chrono::nanoseconds limit);
  // Sends a signal; nothing happens when the child has ended.
  void signal(int number);
  // SIGTERM, then after `grace` SIGKILL to the whole group; returns how it ended.
  ExitStatus terminate(std::chrono::nanoseconds grace);

 private:
  pid_t pid_ = -1;
  UniqueFd pidfd_;
  std::optional<ExitStatus> status_;
  bool own_group_ = false;
};

struct CommandResult {
  ExitStatus status;
  std::string out;
  std::string err;
};

// Runs a command to its end, collecting output. Over `limit` it is killed and MachineError is
// thrown.
CommandResult run_command(const Argv& argv, std::chrono::nanoseconds limit,
                          const std::string& stdin_text = "", ChildOptions options = {});
// The same, throwing MachineError with the command's last line of stderr when it fails; returns
// stdout.
std::string must_run(const Argv& argv, std::chrono::nanoseconds limit,
                     const std::string& stdin_text = "", ChildOptions options = {});
// "a b 'c d'": for messages and logs only.
std::string printable(const Argv& argv);
// Where PATH finds the program (also looks into /usr/sbin and /sbin), or nullopt.
std::optional<std::string> find_program(const std::string& name);

}  // namespace tl
