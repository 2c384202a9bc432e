// The kinds of failure and the exit code of each. An exception means "cannot do the job" and
// carries one line for people: verb, object, reason. A measurement that could not be taken is a
// value with a reason, never an exception.
#pragma once

#include <stdexcept>
#include <string>
#include <string_view>

namespace tl {

// Exit codes of every subcommand; stable, documented in the README.
enum class ExitCode : int {
  pass = 0,
  check_failed = 1,  // a gate or check was evaluated and failed
  usage = 2,         // command line, spec or other input is wrong
  inconclusive = 3,  // the measurement is invalid, incomplete or evaluated nothing
  machine = 4,       // the machine lacks something (privilege, kernel feature, package)
  traffic = 5,       // traffic or a service of the lab failed
  interrupted = 130  // SIGINT or SIGTERM
};

// A failure that ends the command. what() is the whole message.
class Error : public std::runtime_error {
 public:
  Error(ExitCode code, const std::string& message) : std::runtime_error{message}, code_{code} {}
  [[nodiscard]] ExitCode code() const noexcept { return code_; }

 private:
  ExitCode code_;
};

struct UsageError : Error {
  explicit UsageError(const std::string& message) : Error{ExitCode::usage, message} {}
};
struct MachineError : Error {
  explicit MachineError(const std::string& message) : Error{ExitCode::machine, message} {}
};
struct TrafficError : Error {
  explicit TrafficError(const std::string& message) : Error{ExitCode::traffic, message} {}
};
struct MeasurementError : Error {
  explicit MeasurementError(const std::string& message) : Error{ExitCode::inconclusive, message} {}
};
struct Interrupted : Error {
  explicit Interrupted(const std::string& message) : Error{ExitCode::interrupted, message} {}
};

// Throws MachineError "verb object: strerror(errno)". Call at once after the failed system call.
[[noreturn]] void throw_errno(std::string_view verb, std::string_view object);
// The same for an error number that is already at hand.
[[noreturn]] void throw_errno(int error_number, std::string_view verb, std::string_view object);
// strerror as std::string, safe in threads.
std::string errno_text(int error_number);

}  // namespace tl
