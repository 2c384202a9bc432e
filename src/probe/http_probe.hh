// One HTTP exchange on a connection of its own, and where its time went.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

namespace tl {

// The parts of an exchange, without gaps: their sum is the total. Times of followed redirects are
// in the parts they were spent in, except that whole redirects' bodies count as transfer.
struct HttpPhases {
  std::chrono::microseconds resolve{0};
  std::chrono::microseconds connect{0};
  std::chrono::microseconds tls{0};         // 0 without TLS
  std::chrono::microseconds send{0};        // request and body, until the last byte was handed over
  std::chrono::microseconds processing{0};  // until the first byte of the answer
  std::chrono::microseconds transfer{0};    // the answer's headers and body
  [[nodiscard]] std::chrono::microseconds total() const {
    return resolve + connect + tls + send + processing + transfer;
  }
};

struct HttpOutcome {
  int status = 0;                      // the server's; 0: no answer
  std::string error;                   // why the exchange is not complete; empty when it is
  HttpPhases phases;                   // of a complete exchange
  std::uint64_t downloaded_bytes = 0;  // of the answer's body, as on the wire
  std::uint64_t uploaded_bytes = 0;    // of the request's body, accepted by the network
  std::string address;                 // of the server
  // Complete and answered with success.
  [[nodiscard]] bool ok() const { return error.empty() && status >= 200 && status < 400; }
};

struct HttpProbeOptions {
  std::chrono::milliseconds timeout{10'000};  // of the whole exchange
  std::string ca_file;                        // PEM; empty: the system's. Always verified
  std::uint64_t most_bytes = 1ULL << 30;      // a longer answer is an error
};

// GET with the answer's body read and counted, not kept. No compression is asked for. Up to ten
// redirects are followed, as the users' tool did.
HttpOutcome http_get(const std::string& url, const HttpProbeOptions& options = {});
// POST of `bytes` bytes. An answer that comes before the whole body was sent is an error: its time
// says nothing about the upload.
HttpOutcome http_upload(const std::string& url, std::uint64_t bytes,
                        const HttpProbeOptions& options = {});

}  // namespace tl
