// Puts another prometheus.yml into force, or leaves the old one.
#pragma once

#include <filesystem>
#include <string>

#include "pace/prometheus.hh"

namespace tl::pace {

class ConfigWriter {
 public:
  // `promtool` checks a configuration before it is written.
  ConfigWriter(const std::filesystem::path& file, Prometheus& server,
               std::string promtool = "promtool");

  [[nodiscard]] const std::filesystem::path& file() const { return file_; }
  [[nodiscard]] std::string read() const;

  // Checks `text`, replaces the file (atomically, with its owner and mode) and has Prometheus load
  // it. When Prometheus refuses, the old text is written back and loaded. Does nothing for an equal
  // text. Whatever somebody else writes meanwhile stays: the file is read again at once before it
  // is replaced, and before the old text comes back.
  enum class Result : std::uint8_t { applied, unchanged, changed_by_others, refused };
  Result apply(const std::string& expected, const std::string& text);
  [[nodiscard]] const std::string& reason() const { return reason_; }  // of the last refusal

 private:
  [[nodiscard]] std::string promtool_objection(const std::string& text) const;
  // False, with the file as it is, when it does not hold `expected` any more.
  [[nodiscard]] bool replace(const std::string& expected, const std::string& text) const;
  [[nodiscard]] std::string reload_objection();

  std::filesystem::path file_;
  Prometheus& server_;
  std::string promtool_, reason_;
};

}  // namespace tl::pace
