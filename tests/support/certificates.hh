// Certificates for one test: a certificate authority, a leaf of it for 127.0.0.1 and 198.18.0.2
// that suits servers and clients, and an authority that nobody knows.
#pragma once

#include <string>

#include "support/temporary.hh"

namespace tl::test {

class Certificates {
 public:
  Certificates();
  // PEM files: "ca.pem", "leaf.pem", "leaf.key", "foreign.pem", "foreign.key".
  [[nodiscard]] std::string path(const std::string& name) const {
    return (folder_.path() / name).native();
  }

 private:
  TemporaryFolder folder_;
};

}  // namespace tl::test
