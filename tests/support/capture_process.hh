// `trafficlab capture` as a child process, and what it leaves.
#pragma once

#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>

#include "base/process.hh"

namespace tl::test {

class CaptureProcess {
 public:
  // Starts `trafficlab capture -w FILE ARGS…` and waits until it says that it is armed. Throws
  // std::runtime_error with its stderr when it ends instead.
  CaptureProcess(std::filesystem::path file, const Argv& args);

  [[nodiscard]] Child& child() { return child_; }
  // Sends the signal and waits for the end, at most 10 s.
  ExitStatus end(int signal);
  // Waits for an end that nobody asked for.
  ExitStatus wait();
  // The account, from the sidecar.
  [[nodiscard]] nlohmann::json account() const;
  [[nodiscard]] std::string errors() const;
  [[nodiscard]] const std::filesystem::path& file() const { return file_; }
  [[nodiscard]] std::filesystem::path part() const { return file_.native() + ".part"; }

 private:
  Child start(const Argv& args);
  std::filesystem::path file_;
  Child child_;
};

// received = written + kernel_dropped + discarded, nothing unexplained, directions add up, and the
// file holds what the account says: CHECKs of doctest.
void check_account(const nlohmann::json& account, const std::filesystem::path& capture_file);

// Packets of a capture file, with filter ("" for all), as tcpdump counts them; CHECKs that it reads
// the file to its end.
std::uint64_t tcpdump_count(const std::filesystem::path& file, const std::string& filter = "");

}  // namespace tl::test
