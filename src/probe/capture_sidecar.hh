// The account beside a capture file. Its room on the disk is taken when the capture begins, so that
// also the account of a full disk can be written. Named FILE.part until it is final.
#pragma once

#include <filesystem>
#include <string_view>

#include "base/fd.hh"

namespace tl {

class CaptureSidecar {
 public:
  // Makes PATH.part and reserves room in it. Throws MachineError.
  explicit CaptureSidecar(std::filesystem::path path);

  // Replaces the text; of a capture that was killed, the last one stays in PATH.part.
  void write(std::string_view text);
  // Writes the final text and gives the file its final name.
  void finish(std::string_view text);

 private:
  std::filesystem::path path_, part_;
  UniqueFd fd_;
};

}  // namespace tl
