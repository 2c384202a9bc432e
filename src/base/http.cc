#include "base/http.hh"

#include <fmt/format.h>

#include <array>
#include <new>

#include "base/curl.hh"
#include "base/errors.hh"

namespace tl {
namespace {

constexpr std::size_t kLargestBody = 64ULL << 20;

extern "C" std::size_t take_body(char* data, std::size_t size, std::size_t count, void* to) {
  auto& body = *static_cast<std::string*>(to);
  if (body.size() + size * count > kLargestBody) return 0;  // curl then reports a write error
  body.append(data, size * count);
  return size * count;
}

CurlHeaders list_of(const std::vector<std::string>& headers) {
  CurlHeaders list;
  for (const std::string& header : headers) {
    curl_slist* longer = curl().slist_append(list.get(), header.c_str());
    if (longer == nullptr) throw std::bad_alloc{};
    (void)list.release();  // the head may be the same or, for the first header, new
    list.reset(longer);
  }
  return list;
}

}  // namespace

struct HttpClient::Impl {
  CurlEasy handle = curl_handle();
};

HttpClient::HttpClient() : impl_{std::make_unique<Impl>()} {}
HttpClient::~HttpClient() = default;
HttpClient::HttpClient(HttpClient&&) noexcept = default;
HttpClient& HttpClient::operator=(HttpClient&&) noexcept = default;

HttpResponse HttpClient::send(const HttpRequest& request) {
  CURL* const handle = impl_->handle.get();
  HttpResponse response;
  std::array<char, CURL_ERROR_SIZE> reason{};
  // "Expect:" empty: without it curl waits a second for "100 Continue" before a larger body.
  std::vector<std::string> headers{"Expect:"};
  headers.insert(headers.end(), request.headers.begin(), request.headers.end());
  const auto list = list_of(headers);
  curl().easy_reset(handle);  // options go, the connection stays
  curl_set<CURLOPT_URL>(handle, request.url.c_str());
  curl_set<CURLOPT_CUSTOMREQUEST>(handle, request.method.c_str());
  curl_set<CURLOPT_HTTPHEADER>(handle, list.get());
  curl_set<CURLOPT_NOSIGNAL>(handle, 1L);
  curl_set<CURLOPT_TIMEOUT_MS>(handle, static_cast<long>(request.timeout.count()));
  curl_set<CURLOPT_ERRORBUFFER>(handle, reason.data());
  curl_set<CURLOPT_WRITEFUNCTION>(handle, take_body);
  curl_set<CURLOPT_WRITEDATA>(handle, &response.body);
  if (request.method == "HEAD") curl_set<CURLOPT_NOBODY>(handle, 1L);
  if (!request.body.empty() || request.method == "POST" || request.method == "PUT") {
    curl_set<CURLOPT_POSTFIELDS>(handle, request.body.data());
    curl_set<CURLOPT_POSTFIELDSIZE_LARGE>(handle, static_cast<curl_off_t>(request.body.size()));
  }
  if (!request.unix_socket.empty()) {
    curl_set<CURLOPT_UNIX_SOCKET_PATH>(handle, request.unix_socket.c_str());
    curl_set<CURLOPT_PROXY>(handle, "");  // the environment's proxy is not for a socket
  }
  const CURLcode result = curl().easy_perform(handle);
  curl_set<CURLOPT_ERRORBUFFER>(handle, nullptr);
  if (result != CURLE_OK)
    throw MachineError{fmt::format("{} {}: {}", request.method, request.url,
                                   reason[0] != 0 ? reason.data() : curl().easy_strerror(result))};
  response.status = static_cast<int>(curl_info<CURLINFO_RESPONSE_CODE>(handle));
  return response;
}

std::string url_encoded(std::string_view text) {
  std::string encoded;
  for (const char c : text) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                       std::string_view{"-._~"}.find(c) != std::string_view::npos;
    encoded += plain ? std::string{c} : fmt::format("%{:02X}", static_cast<unsigned char>(c));
  }
  return encoded;
}

}  // namespace tl
