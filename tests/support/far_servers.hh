// What QoS probes ask for, on the far end of a veth pair: a web server and an iperf server.
#pragma once

#include <optional>

#include "base/fd.hh"
#include "base/netns.hh"
#include "base/process.hh"
#include "support/certificates.hh"
#include "support/temporary.hh"

namespace tl::test {

// nginx at 198.18.0.2 (/page of 100,000 bytes, /moved, /missing, /upload) and the program's own
// iperf server. To be made in the near namespace, which waits until both answer; throws
// std::runtime_error with their log when they stay silent for 20 s.
class FarServers {
 public:
  explicit FarServers(const NetNs& netns);
  // Of what nginx answers by HTTPS.
  [[nodiscard]] const Certificates& certificates() const { return certificates_; }

 private:
  TemporaryFolder folder_;
  Certificates certificates_;
  UniqueFd log_;
  std::optional<Child> nginx_, iperf_;
};

}  // namespace tl::test
