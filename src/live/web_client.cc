#include "live/web_client.hh"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "base/curl.hh"
#include "base/errors.hh"

namespace tl::live {
namespace {

constexpr std::size_t kLargestBody = 64ULL << 20;

std::size_t take_body(char* data, std::size_t size, std::size_t count, void* to) {
  auto& body = static_cast<WebResponse*>(to)->body;
  if (body.size() + size * count > kLargestBody) return 0;  // curl reports it as a write error
  body.append(data, size * count);
  return size * count;
}

std::size_t take_header(char* data, std::size_t size, std::size_t count, void* to) {
  auto& response = *static_cast<WebResponse*>(to);
  const std::string line{data, size * count};
  const std::size_t colon = line.find(':');
  if (line.starts_with("HTTP/")) response.headers.clear();  // after a "100 Continue"
  if (colon == std::string::npos) return size * count;
  std::string name = line.substr(0, colon);
  std::transform(name.begin(), name.end(), name.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  const std::size_t begin = line.find_first_not_of(" \t", colon + 1);
  const std::size_t end = line.find_last_not_of(" \t\r\n");
  const bool is_empty = begin == std::string::npos || begin > end;
  response.headers.emplace_back(name, is_empty ? "" : line.substr(begin, end - begin + 1));
  return size * count;
}

CurlHeaders header_list(const WebRequest& request) {
  CurlHeaders list{curl().slist_append(nullptr, "Expect:")};  // it would cost a round trip
  for (const auto& [name, value] : request.headers) {
    const std::string line = name + ": " + value;
    list.reset(curl().slist_append(list.release(), line.c_str()));
  }
  return list;
}

template <CURLINFO what>
std::uint64_t number(CURL* c) {
  const auto value = curl_info<what>(c);
  return value > 0 ? static_cast<std::uint64_t>(value) : 0;
}

void set_options(CURL* c, const WebRequest& request) {
  curl_set<CURLOPT_URL>(c, request.url.c_str());
  curl_set<CURLOPT_PROTOCOLS_STR>(c, "http,https");
  curl_set<CURLOPT_CUSTOMREQUEST>(c, request.method.c_str());
  curl_set<CURLOPT_NOSIGNAL>(c, 1L);
  curl_set<CURLOPT_TIMEOUT_MS>(c, static_cast<long>(request.timeout.count()));
  if (request.accept_gzip) curl_set<CURLOPT_ACCEPT_ENCODING>(c, "gzip");
  if (!request.ca_file.empty()) curl_set<CURLOPT_CAINFO>(c, request.ca_file.c_str());
  if (!request.user.empty()) {
    curl_set<CURLOPT_HTTPAUTH>(c, CURLAUTH_BASIC);
    curl_set<CURLOPT_USERNAME>(c, request.user.c_str());
    if (!request.password.empty()) curl_set<CURLOPT_PASSWORD>(c, request.password.c_str());
  }
  if (request.method == "GET") return;
  curl_set<CURLOPT_POSTFIELDS>(c, request.body.data());
  curl_set<CURLOPT_POSTFIELDSIZE_LARGE>(c, static_cast<curl_off_t>(request.body.size()));
}

}  // namespace

std::string WebResponse::header(const std::string& name) const {
  for (const auto& [known, value] : headers)
    if (known == name) return value;
  return "";
}

struct WebClient::Impl {
  CurlEasy handle = curl_handle();
};

WebClient::WebClient() : impl_{std::make_unique<Impl>()} {}
WebClient::~WebClient() = default;
WebClient::WebClient(WebClient&&) noexcept = default;
WebClient& WebClient::operator=(WebClient&&) noexcept = default;

WebResponse WebClient::send(const WebRequest& request) {
  WebResponse response;
  CURL* const c = impl_->handle.get();
  std::array<char, CURL_ERROR_SIZE> reason{};
  const CurlHeaders headers = header_list(request);
  curl().easy_reset(c);  // options go, the connection stays
  set_options(c, request);
  curl_set<CURLOPT_HTTPHEADER>(c, headers.get());
  curl_set<CURLOPT_ERRORBUFFER>(c, reason.data());
  curl_set<CURLOPT_WRITEFUNCTION>(c, take_body);
  curl_set<CURLOPT_WRITEDATA>(c, &response);
  curl_set<CURLOPT_HEADERFUNCTION>(c, take_header);
  curl_set<CURLOPT_HEADERDATA>(c, &response);
  const CURLcode code = curl().easy_perform(c);
  curl_set<CURLOPT_ERRORBUFFER>(c, nullptr);
  response.request_bytes = number<CURLINFO_REQUEST_SIZE>(c) + number<CURLINFO_SIZE_UPLOAD_T>(c);
  response.header_bytes = number<CURLINFO_HEADER_SIZE>(c);
  response.body_bytes = number<CURLINFO_SIZE_DOWNLOAD_T>(c);
  response.duration = std::chrono::microseconds{number<CURLINFO_TOTAL_TIME_T>(c)};
  if (code == CURLE_OK) {
    response.status = static_cast<int>(number<CURLINFO_RESPONSE_CODE>(c));
  } else {
    response.error = reason[0] != '\0' ? reason.data() : curl().easy_strerror(code);
  }
  return response;
}

std::string checked_host(const std::string& text, const std::string& what) {
  const CurlUrl url{curl().url()};
  // A text that does not parse is not repeated: it may hold a password.
  if (!url || curl().url_set(url.get(), CURLUPART_URL, text.c_str(), 0) != CURLUE_OK)
    throw UsageError{what + ": the URL is not http(s)://HOST[:PORT][/PATH]"};
  const auto part = [&](CURLUPart which) -> std::string {
    char* value = nullptr;
    if (curl().url_get(url.get(), which, &value, 0) != CURLUE_OK) return "";
    const CurlText owner{value};
    return value;
  };
  if (!part(CURLUPART_USER).empty() || !part(CURLUPART_PASSWORD).empty())
    throw UsageError{what + ": credentials stand in the URL (use a file or the environment)"};
  if (const std::string scheme = part(CURLUPART_SCHEME); scheme != "http" && scheme != "https")
    throw UsageError{what + ": the scheme is not http or https"};
  std::string host = part(CURLUPART_HOST);
  if (host.starts_with('[')) host = host.substr(1, host.size() - 2);
  return host;
}

}  // namespace tl::live
