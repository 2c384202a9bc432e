#include "probe/http_probe.hh"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <memory>
#include <optional>
#include <utility>

#include "base/curl.hh"
#include "base/errors.hh"

namespace tl {
namespace {

using std::chrono::microseconds;
using Clock = std::chrono::steady_clock;

// What the callbacks see.
struct Exchange {
  std::uint64_t most_bytes = 0;
  std::uint64_t downloaded = 0;
  std::uint64_t upload_size = 0;
  std::uint64_t handed_over = 0;
  std::optional<Clock::time_point> last_handed_over, first_answered;
};

std::size_t count_body(char*, std::size_t size, std::size_t count, void* to) {
  auto& exchange = *static_cast<Exchange*>(to);
  exchange.downloaded += size * count;
  return exchange.downloaded > exchange.most_bytes ? 0 : size * count;
}

std::size_t note_header(char*, std::size_t size, std::size_t count, void* to) {
  auto& exchange = *static_cast<Exchange*>(to);
  if (!exchange.first_answered) exchange.first_answered = Clock::now();
  return size * count;
}

std::size_t hand_over(char* to, std::size_t size, std::size_t count, void* from) {
  auto& exchange = *static_cast<Exchange*>(from);
  const std::size_t n = static_cast<std::size_t>(
      std::min<std::uint64_t>(size * count, exchange.upload_size - exchange.handed_over));
  std::memset(to, 'x', n);
  exchange.handed_over += n;
  // Asked for more, or given the last: everything before is with the network by now.
  exchange.last_handed_over = Clock::now();
  return n;
}

int rewind_body(void* to, curl_off_t offset, int origin) {
  if (origin != SEEK_SET || offset < 0) return CURL_SEEKFUNC_FAIL;
  static_cast<Exchange*>(to)->handed_over = static_cast<std::uint64_t>(offset);
  return CURL_SEEKFUNC_OK;
}

template <CURLINFO what>
microseconds time_of(CURL* c) {
  return microseconds{curl_info<what>(c)};
}

// libcurl's times are all since the start and may be missing (0); each part is what a mark adds to
// the latest one before it, so the parts sum up to the total whatever is missing.
HttpPhases phases_of(CURL* c, const Exchange& exchange, Clock::time_point begin) {
  HttpPhases phases;
  const microseconds total = time_of<CURLINFO_TOTAL_TIME_T>(c);
  microseconds latest{0};
  const auto part = [&](microseconds mark) {
    mark = std::clamp(mark, latest, std::max(total, latest));
    return mark - std::exchange(latest, mark);
  };
  const auto own = [&](const std::optional<Clock::time_point>& moment) {
    return moment ? std::chrono::duration_cast<microseconds>(*moment - begin) : microseconds{0};
  };
  phases.resolve = part(time_of<CURLINFO_NAMELOOKUP_TIME_T>(c));
  phases.connect = part(time_of<CURLINFO_CONNECT_TIME_T>(c));
  phases.tls = part(time_of<CURLINFO_APPCONNECT_TIME_T>(c));
  if (exchange.upload_size > 0) {
    // For uploads libcurl's STARTTRANSFER is the first byte sent: the marks are our own.
    phases.send = part(own(exchange.last_handed_over));
    phases.processing = part(own(exchange.first_answered));
  } else {
    phases.send = part(time_of<CURLINFO_PRETRANSFER_TIME_T>(c));
    phases.processing = part(time_of<CURLINFO_STARTTRANSFER_TIME_T>(c));
  }
  phases.transfer = part(total);
  return phases;
}

void set_common(CURL* c, const std::string& url, const HttpProbeOptions& options,
                Exchange& exchange) {
  curl_set<CURLOPT_URL>(c, url.c_str());
  curl_set<CURLOPT_PROTOCOLS_STR>(c, "http,https");
  curl_set<CURLOPT_NOSIGNAL>(c, 1L);
  curl_set<CURLOPT_FRESH_CONNECT>(c, 1L);
  curl_set<CURLOPT_FORBID_REUSE>(c, 1L);
  curl_set<CURLOPT_FOLLOWLOCATION>(c, 1L);
  curl_set<CURLOPT_MAXREDIRS>(c, 10L);
  curl_set<CURLOPT_TIMEOUT_MS>(c, static_cast<long>(options.timeout.count()));
  curl_set<CURLOPT_WRITEFUNCTION>(c, count_body);
  curl_set<CURLOPT_WRITEDATA>(c, &exchange);
  curl_set<CURLOPT_HEADERFUNCTION>(c, note_header);
  curl_set<CURLOPT_HEADERDATA>(c, &exchange);
  if (!options.ca_file.empty()) curl_set<CURLOPT_CAINFO>(c, options.ca_file.c_str());
}

void set_upload(CURL* c, Exchange& exchange) {
  curl_set<CURLOPT_POST>(c, 1L);
  curl_set<CURLOPT_POSTFIELDSIZE_LARGE>(c, static_cast<curl_off_t>(exchange.upload_size));
  curl_set<CURLOPT_READFUNCTION>(c, hand_over);
  curl_set<CURLOPT_READDATA>(c, &exchange);
  curl_set<CURLOPT_SEEKFUNCTION>(c, rewind_body);
  curl_set<CURLOPT_SEEKDATA>(c, &exchange);
}

std::string failure(CURLcode code, const char* reason, const Exchange& exchange) {
  if (code == CURLE_WRITE_ERROR && exchange.downloaded > exchange.most_bytes)
    return fmt::format("the answer is longer than {} bytes", exchange.most_bytes);
  return *reason != '\0' ? reason : curl().easy_strerror(code);
}

HttpOutcome perform(const std::string& url, std::uint64_t upload_bytes,
                    const HttpProbeOptions& options) {
  const CurlEasy handle = curl_handle();
  CURL* const c = handle.get();
  Exchange exchange;
  exchange.most_bytes = options.most_bytes;
  exchange.upload_size = upload_bytes;
  set_common(c, url, options, exchange);
  // "Expect" would add a round trip, or a second's wait, before the body.
  CurlHeaders headers{curl().slist_append(nullptr, "Expect:")};
  headers.reset(curl().slist_append(headers.release(), "Content-Type: application/octet-stream"));
  if (upload_bytes > 0) {
    set_upload(c, exchange);
    curl_set<CURLOPT_HTTPHEADER>(c, headers.get());
  }
  std::array<char, CURL_ERROR_SIZE> reason{};
  curl_set<CURLOPT_ERRORBUFFER>(c, reason.data());
  const Clock::time_point begin = Clock::now();
  const CURLcode code = curl().easy_perform(c);
  curl_set<CURLOPT_ERRORBUFFER>(c, nullptr);

  HttpOutcome outcome;
  outcome.status = static_cast<int>(curl_info<CURLINFO_RESPONSE_CODE>(c));
  outcome.downloaded_bytes = exchange.downloaded;
  outcome.uploaded_bytes =
      static_cast<std::uint64_t>(std::max<curl_off_t>(0, curl_info<CURLINFO_SIZE_UPLOAD_T>(c)));
  if (const char* const address = curl_info<CURLINFO_PRIMARY_IP>(c)) outcome.address = address;
  const long redirects = curl_info<CURLINFO_REDIRECT_COUNT>(c);
  if (code != CURLE_OK) {
    outcome.error = failure(code, reason.data(), exchange);
  } else if (upload_bytes > 0 && redirects == 0 && outcome.uploaded_bytes != upload_bytes) {
    outcome.error = fmt::format("answered before the whole body was sent ({} of {} bytes)",
                                outcome.uploaded_bytes, upload_bytes);
  } else {
    outcome.phases = phases_of(c, exchange, begin);
  }
  return outcome;
}

}  // namespace

HttpOutcome http_get(const std::string& url, const HttpProbeOptions& options) {
  return perform(url, 0, options);
}

HttpOutcome http_upload(const std::string& url, std::uint64_t bytes,
                        const HttpProbeOptions& options) {
  return perform(url, bytes, options);
}

}  // namespace tl
