#include "support/certificates.hh"

#include "base/process.hh"

namespace tl::test {
namespace {

void openssl_request(const Argv& more) {
  Argv argv{
      "openssl", "req",   "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1",
      "-nodes",  "-days", "2"};
  argv.insert(argv.end(), more.begin(), more.end());
  (void)must_run(argv, std::chrono::seconds{30});
}

}  // namespace

Certificates::Certificates() {
  for (const std::string ca : {"ca", "foreign"})
    openssl_request(
        {"-subj", "/CN=" + ca, "-keyout", path(ca + ".key"), "-out", path(ca + ".pem")});
  openssl_request({"-subj", "/CN=leaf", "-addext", "subjectAltName=IP:127.0.0.1,IP:198.18.0.2",
                   "-addext", "basicConstraints=critical,CA:FALSE", "-CA", path("ca.pem"), "-CAkey",
                   path("ca.key"), "-keyout", path("leaf.key"), "-out", path("leaf.pem")});
}

}  // namespace tl::test
