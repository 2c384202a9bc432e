#include "live/web_client.hh"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "base/errors.hh"
#include "live/curl_owner.hh"

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
  CurlHeaders list{::curl_slist_append(nullptr, "Expect:")};  // it would cost a round trip
  for (const auto& [name, value] : request.headers) {
    const std::string line = name + ": " + value;
    list.reset(::curl_slist_append(list.release(), line.c_str()));
  }
  return list;
}

template <class T>
std::uint64_t number(CURL* curl, CURLINFO what) {
  T value = 0;
  ::curl_easy_getinfo(curl, what, &value);
  return value > 0 ? static_cast<std::uint64_t>(value) : 0;
}

void set_options(CURL* c, const WebRequest& request) {
  const auto set = [&](CURLoption option, const std::string& value) {
    if (!value.empty()) ::curl_easy_setopt(c, option, value.c_str());
  };
  ::curl_easy_setopt(c, CURLOPT_URL, request.url.c_str());
  ::curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, "http,https");
  ::curl_easy_setopt(c, CURLOPT_CUSTOMREQUEST, request.method.c_str());
  ::curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
  ::curl_easy_setopt(c, CURLOPT_TIMEOUT_MS, static_cast<long>(request.timeout.count()));
  if (request.accept_gzip) ::curl_easy_setopt(c, CURLOPT_ACCEPT_ENCODING, "gzip");
  set(CURLOPT_CAINFO, request.ca_file);
  if (!request.user.empty()) {
    ::curl_easy_setopt(c, CURLOPT_HTTPAUTH, CURLAUTH_BASIC);
    set(CURLOPT_USERNAME, request.user);
    set(CURLOPT_PASSWORD, request.password);
  }
  if (request.method == "GET") return;
  ::curl_easy_setopt(c, CURLOPT_POSTFIELDS, request.body.data());
  ::curl_easy_setopt(c, CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(request.body.size()));
}

}  // namespace

std::string WebResponse::header(const std::string& name) const {
  for (const auto& [known, value] : headers)
    if (known == name) return value;
  return "";
}

struct WebClient::Impl {
  CurlEasy curl;
};

WebClient::WebClient() : impl_{std::make_unique<Impl>()} {
  static const CURLcode global = ::curl_global_init(CURL_GLOBAL_DEFAULT);
  if (global == CURLE_OK) impl_->curl.reset(::curl_easy_init());
  if (!impl_->curl) throw MachineError{"start libcurl: out of memory"};
}
WebClient::~WebClient() = default;
WebClient::WebClient(WebClient&&) noexcept = default;
WebClient& WebClient::operator=(WebClient&&) noexcept = default;

WebResponse WebClient::send(const WebRequest& request) {
  WebResponse response;
  CURL* const c = impl_->curl.get();
  std::array<char, CURL_ERROR_SIZE> reason{};
  const CurlHeaders headers = header_list(request);
  ::curl_easy_reset(c);  // options go, the connection stays
  set_options(c, request);
  ::curl_easy_setopt(c, CURLOPT_HTTPHEADER, headers.get());
  ::curl_easy_setopt(c, CURLOPT_ERRORBUFFER, reason.data());
  ::curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, take_body);
  ::curl_easy_setopt(c, CURLOPT_WRITEDATA, &response);
  ::curl_easy_setopt(c, CURLOPT_HEADERFUNCTION, take_header);
  ::curl_easy_setopt(c, CURLOPT_HEADERDATA, &response);
  const CURLcode code = ::curl_easy_perform(c);
  ::curl_easy_setopt(c, CURLOPT_ERRORBUFFER, nullptr);
  response.request_bytes =
      number<long>(c, CURLINFO_REQUEST_SIZE) + number<curl_off_t>(c, CURLINFO_SIZE_UPLOAD_T);
  response.header_bytes = number<long>(c, CURLINFO_HEADER_SIZE);
  response.body_bytes = number<curl_off_t>(c, CURLINFO_SIZE_DOWNLOAD_T);
  response.duration = std::chrono::microseconds{number<curl_off_t>(c, CURLINFO_TOTAL_TIME_T)};
  if (code == CURLE_OK) {
    response.status = static_cast<int>(number<long>(c, CURLINFO_RESPONSE_CODE));
  } else {
    response.error = reason[0] != '\0' ? reason.data() : ::curl_easy_strerror(code);
  }
  return response;
}

std::string checked_host(const std::string& text, const std::string& what) {
  const CurlUrl url{::curl_url()};
  // A text that does not parse is not repeated: it may hold a password.
  if (!url || ::curl_url_set(url.get(), CURLUPART_URL, text.c_str(), 0) != CURLUE_OK)
    throw UsageError{what + ": the URL is not http(s)://HOST[:PORT][/PATH]"};
  const auto part = [&](CURLUPart which) -> std::string {
    char* value = nullptr;
    if (::curl_url_get(url.get(), which, &value, 0) != CURLUE_OK) return "";
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
