// A long command of an engine (bringing up, building): its output goes to a log file, and it ends
// early on a signal or a deadline.
#pragma once

#include <chrono>
#include <filesystem>
#include <string>

#include "base/process.hh"
#include "base/signals.hh"

namespace tl {

struct WatchedCommand {
  Argv argv;
  std::vector<std::pair<std::string, std::string>> environment = {};
  std::filesystem::path log;  // stderr, and stdout unless it is wanted, are appended here
  std::chrono::seconds limit{120};
};

// Runs it to its end. Throws Interrupted when `stop` receives a signal (null: signals do not
// matter) and MachineError over the limit; the command gets SIGTERM first and a few seconds to end,
// so that it can tidy up.
ExitStatus run_watched(const WatchedCommand& command, StopSignals* stop);
// The same for a command whose answer is the last line of its stdout, which is returned. Throws
// MachineError with what explains() finds in the log when the command fails.
std::string answer_of(const WatchedCommand& command, StopSignals* stop);

// The line of a log that says why a command failed: the last that speaks of an error, else the last
// one.
std::string explains(const std::filesystem::path& log);

}  // namespace tl
