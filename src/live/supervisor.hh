// Keeps child processes running: reads their lines, starts a dead one again after a growing pause,
// and ends all of them in order.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/process.hh"

namespace tl::live {

struct SupervisedProcess {
  std::string name;
  Argv argv;  // prints lines on stdout
};

struct SupervisorLimits {
  std::chrono::nanoseconds first_pause{1'000'000'000};  // before a dead process is started again
  std::chrono::nanoseconds longest_pause{60'000'000'000};
  std::chrono::nanoseconds healthy_after{60'000'000'000};  // then the pause starts over
};

class Supervisor {
 public:
  using OnLine = std::function<void(const std::string& name, const std::string& line)>;
  // `event` is a sentence for people: "ping: pid 4711", "ping: ended with exit code 3, …".
  using OnEvent = std::function<void(const std::string& event)>;

  // Starts all of them. Throws MachineError when one cannot be started at all. Make it, and call
  // run(), in a thread that outlives the processes (ChildOptions::die_with_parent).
  Supervisor(std::vector<SupervisedProcess> processes, SupervisorLimits limits, OnLine on_line,
             OnEvent on_event);
  ~Supervisor();

  // Until `stop_fd` is readable.
  void run(int stop_fd);
  // SIGTERM to all, then SIGKILL to what is left after `grace`; hands over the lines they left.
  void stop(std::chrono::nanoseconds grace);
  [[nodiscard]] std::vector<pid_t> pids() const;

 private:
  struct Running;
  void start(Running& process);
  void start_again(Running& process);
  void read_lines(Running& process);
  void bury(Running& process, const ExitStatus& status);
  [[nodiscard]] int milliseconds_until_next_start() const;

  std::vector<std::unique_ptr<Running>> processes_;
  SupervisorLimits limits_;
  OnLine on_line_;
  OnEvent on_event_;
};

}  // namespace tl::live
