#pragma once

#include <string>
#include <utility>

namespace tl::live {

// A secret that no message prints. Comes from a file or the environment, never from the command
// line, where every user of the machine could read it.
class Secret {
 public:
  Secret() = default;
  explicit Secret(std::string text) : text_{std::move(text)} {}
  // The first line of a file; throws MachineError.
  static Secret from_file(const std::string& path);
  // Throws UsageError when the variable is not set.
  static Secret from_environment(const std::string& variable);
  [[nodiscard]] const std::string& reveal() const { return text_; }
  [[nodiscard]] bool empty() const { return text_.empty(); }
  // `text` with every occurrence of the secret replaced by ***: for what a server sent back.
  [[nodiscard]] std::string redacted(std::string text) const;

 private:
  std::string text_;
};

}  // namespace tl::live
