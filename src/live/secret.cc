#include "live/secret.hh"

#include <fmt/format.h>

#include <cstdlib>

#include "base/errors.hh"
#include "base/fd.hh"

namespace tl::live {

Secret Secret::from_file(const std::string& path) {
  const std::string content = read_file(path);
  return Secret{content.substr(0, content.find_first_of("\r\n"))};
}

Secret Secret::from_environment(const std::string& variable) {
  const char* value = std::getenv(variable.c_str());
  if (value == nullptr) throw UsageError{fmt::format("read secret: ${} is not set", variable)};
  return Secret{value};
}

std::string Secret::redacted(std::string text) const {
  if (text_.empty()) return text;
  for (std::size_t at = text.find(text_); at != std::string::npos; at = text.find(text_, at + 3))
    text.replace(at, text_.size(), "***");
  return text;
}

}  // namespace tl::live
