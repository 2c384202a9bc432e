#include "base/errors.hh"

#include <cerrno>
#include <system_error>

namespace tl {

std::string errno_text(int error_number) { return std::generic_category().message(error_number); }

void throw_errno(int error_number, std::string_view verb, std::string_view object) {
  std::string message{verb};
  message.append(" ").append(object).append(": ").append(errno_text(error_number));
  throw MachineError{message};
}

void throw_errno(std::string_view verb, std::string_view object) {
  throw_errno(errno, verb, object);
}

}  // namespace tl
