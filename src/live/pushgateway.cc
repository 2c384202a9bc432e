#include "live/pushgateway.hh"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <cstdlib>
#include <memory>
#include <thread>

#include "base/curl.hh"
#include "base/errors.hh"

namespace tl::live {
namespace {

std::string url_part(const CurlUrl& url, CURLUPart part, unsigned flags = 0) {
  char* text = nullptr;
  if (curl().url_get(url.get(), part, &text, flags) != CURLUE_OK) return "";
  const CurlText owner{text};
  return text;
}

CurlUrl parse_url(const std::string& text) {
  CurlUrl url{curl().url()};
  // A text that does not parse is not repeated: it may hold a password.
  if (!url || curl().url_set(url.get(), CURLUPART_URL, text.c_str(), 0) != CURLUE_OK)
    throw UsageError{"push: the URL is not http(s)://HOST[:PORT]"};
  if (!url_part(url, CURLUPART_USER).empty() || !url_part(url, CURLUPART_PASSWORD).empty())
    throw UsageError{"push: credentials stand in the URL (name a user and a password file)"};
  const std::string scheme = url_part(url, CURLUPART_SCHEME);
  if (scheme != "http" && scheme != "https")
    throw UsageError{fmt::format("push to {}: the scheme is not http or https", text)};
  return url;
}

std::size_t append_body(char* data, std::size_t, std::size_t size, void* body) {
  constexpr std::size_t kEnoughForAMessage = 4096;
  auto& text = *static_cast<std::string*>(body);
  text.append(data, std::min(size, kEnoughForAMessage - std::min(kEnoughForAMessage, text.size())));
  return size;
}

struct Answer {
  CURLcode error = CURLE_OK;
  std::string reason;  // of `error`
  long status = 0;
  std::string body;
};

// A wrong certificate or password stays wrong; a connection may come back.
bool is_worth_repeating(const Answer& answer) {
  switch (answer.error) {
    case CURLE_OK:
      return answer.status >= 500;
    case CURLE_COULDNT_CONNECT:
    case CURLE_OPERATION_TIMEDOUT:
    case CURLE_GOT_NOTHING:
    case CURLE_SEND_ERROR:
      return true;
    default:
      return false;
  }
}

template <CURLoption option>
void set_given(CURL* c, const std::string& value) {
  if (!value.empty()) curl_set<option>(c, value.c_str());
}

void set_credentials(CURL* c, const PushOptions& options) {
  set_given<CURLOPT_CAINFO>(c, options.ca_file);
  set_given<CURLOPT_SSLCERT>(c, options.certificate_file);
  set_given<CURLOPT_SSLKEY>(c, options.key_file);
  if (options.user.empty()) return;
  curl_set<CURLOPT_HTTPAUTH>(c, CURLAUTH_BASIC);
  set_given<CURLOPT_USERNAME>(c, options.user);
  set_given<CURLOPT_PASSWORD>(c, options.password.reveal());
}

Answer perform(const PushOptions& options, const std::string& target, const char* method,
               const std::string& body) {
  Answer answer;
  const CurlEasy handle = curl_handle();
  // "Expect" would cost a round trip before each body.
  const std::string type = fmt::format("Content-Type: {}", content_type(options.format));
  CurlHeaders headers{curl().slist_append(nullptr, "Expect:")};
  headers.reset(curl().slist_append(headers.release(), type.c_str()));
  char reason[CURL_ERROR_SIZE] = "";
  CURL* const c = handle.get();
  curl_set<CURLOPT_URL>(c, target.c_str());
  curl_set<CURLOPT_CUSTOMREQUEST>(c, method);
  curl_set<CURLOPT_HTTPHEADER>(c, headers.get());
  curl_set<CURLOPT_ERRORBUFFER>(c, reason);
  curl_set<CURLOPT_NOSIGNAL>(c, 1L);
  curl_set<CURLOPT_TIMEOUT_MS>(c, static_cast<long>(options.timeout.count()));
  curl_set<CURLOPT_WRITEFUNCTION>(c, append_body);
  curl_set<CURLOPT_WRITEDATA>(c, &answer.body);
  if (std::string_view{method} != "DELETE") {
    curl_set<CURLOPT_POSTFIELDS>(c, body.data());
    curl_set<CURLOPT_POSTFIELDSIZE_LARGE>(c, static_cast<curl_off_t>(body.size()));
  }
  set_credentials(c, options);
  answer.error = curl().easy_perform(c);
  answer.reason = *reason != '\0' ? reason : curl().easy_strerror(answer.error);
  answer.status = curl_info<CURLINFO_RESPONSE_CODE>(c);
  return answer;
}

// The gateway's words on one line.
std::string one_line(std::string text) {
  std::replace(text.begin(), text.end(), '\n', ' ');
  text.erase(text.find_last_not_of(' ') + 1);
  return text;
}

}  // namespace

Pushgateway::Pushgateway(PushOptions options) : options_{std::move(options)} {
  const CurlUrl url = parse_url(options_.url);
  if (options_.format == Format::openmetrics)
    throw UsageError{"push: a Pushgateway takes text or protobuf, not OpenMetrics"};
  if (options_.instance_by_address) {
    std::string host = url_part(url, CURLUPART_HOST);
    if (host.starts_with('[')) host = host.substr(1, host.size() - 2);
    const std::string port = url_part(url, CURLUPART_PORT, CURLU_DEFAULT_PORT);
    const auto number = static_cast<std::uint16_t>(std::strtoul(port.c_str(), nullptr, 10));
    options_.group.labels.emplace_back("instance", address_towards(host, number));
  }
  std::string base = options_.url;
  base.erase(base.find_last_not_of('/') + 1);
  target_ = base + grouping_path(options_.group);
}

void Pushgateway::send(const char* method, const std::vector<Family>& families) {
  std::uint64_t dropped = 0;
  const std::string body =
      encode(families, options_.format, {.created = false, .exemplars_dropped = &dropped});
  if (dropped > 0 && exemplars_dropped_ == 0)
    spdlog::warn("push to {}: the text format carries no exemplars: {} left out (use protobuf)",
                 target_, dropped);
  exemplars_dropped_ += dropped;
  request(method, body);
}

void Pushgateway::remove() { request("DELETE", ""); }

void Pushgateway::request(const char* method, const std::string& body) {
  Answer answer;
  std::chrono::milliseconds pause{100};
  for (int attempt = 1; attempt <= options_.attempts; ++attempt, pause *= 2) {
    if (attempt > 1) std::this_thread::sleep_for(pause);
    answer = perform(options_, target_, method, body);
    if (!is_worth_repeating(answer)) break;
  }
  if (answer.error != CURLE_OK)
    throw MachineError{fmt::format("push to {}: {}", target_, answer.reason)};
  if (answer.status / 100 != 2)
    throw MachineError{
        fmt::format("push to {}: HTTP {}: {}", target_, answer.status, one_line(answer.body))};
}

}  // namespace tl::live
