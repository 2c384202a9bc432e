#include "base/http.hh"

#include <curl/curl.h>
#include <fmt/format.h>

#include <array>
#include <new>

#include "base/errors.hh"

namespace tl {
namespace {

constexpr std::size_t kLargestBody = 64ULL << 20;

struct FreeHandle {
  void operator()(CURL* handle) const { ::curl_easy_cleanup(handle); }
};
struct FreeList {
  void operator()(curl_slist* list) const { ::curl_slist_free_all(list); }
};

extern "C" std::size_t take_body(char* data, std::size_t size, std::size_t count, void* to) {
  auto& body = *static_cast<std::string*>(to);
  if (body.size() + size * count > kLargestBody) return 0;  // curl then reports a write error
  body.append(data, size * count);
  return size * count;
}

std::unique_ptr<curl_slist, FreeList> list_of(const std::vector<std::string>& headers) {
  std::unique_ptr<curl_slist, FreeList> list;
  for (const std::string& header : headers) {
    curl_slist* longer = ::curl_slist_append(list.get(), header.c_str());
    if (longer == nullptr) throw std::bad_alloc{};
    (void)list.release();  // the head may be the same or, for the first header, new
    list.reset(longer);
  }
  return list;
}

}  // namespace

struct HttpClient::Impl {
  std::unique_ptr<CURL, FreeHandle> handle;
};

HttpClient::HttpClient() : impl_{std::make_unique<Impl>()} {
  // Not safe in threads by itself in every libcurl; a local static is initialised once.
  static const CURLcode global = ::curl_global_init(CURL_GLOBAL_DEFAULT);
  if (global == CURLE_OK) impl_->handle.reset(::curl_easy_init());
  if (!impl_->handle) throw MachineError{"start libcurl: out of memory"};
}

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
  ::curl_easy_reset(handle);  // options go, the connection stays
  ::curl_easy_setopt(handle, CURLOPT_URL, request.url.c_str());
  ::curl_easy_setopt(handle, CURLOPT_CUSTOMREQUEST, request.method.c_str());
  ::curl_easy_setopt(handle, CURLOPT_HTTPHEADER, list.get());
  ::curl_easy_setopt(handle, CURLOPT_NOSIGNAL, 1L);
  ::curl_easy_setopt(handle, CURLOPT_TIMEOUT_MS, static_cast<long>(request.timeout.count()));
  ::curl_easy_setopt(handle, CURLOPT_ERRORBUFFER, reason.data());
  ::curl_easy_setopt(handle, CURLOPT_WRITEFUNCTION, take_body);
  ::curl_easy_setopt(handle, CURLOPT_WRITEDATA, &response.body);
  if (request.method == "HEAD") ::curl_easy_setopt(handle, CURLOPT_NOBODY, 1L);
  if (!request.body.empty() || request.method == "POST" || request.method == "PUT") {
    ::curl_easy_setopt(handle, CURLOPT_POSTFIELDS, request.body.data());
    ::curl_easy_setopt(handle, CURLOPT_POSTFIELDSIZE_LARGE,
                       static_cast<curl_off_t>(request.body.size()));
  }
  if (!request.unix_socket.empty()) {
    ::curl_easy_setopt(handle, CURLOPT_UNIX_SOCKET_PATH, request.unix_socket.c_str());
    ::curl_easy_setopt(handle, CURLOPT_PROXY, "");  // the environment's proxy is not for a socket
  }
  const CURLcode result = ::curl_easy_perform(handle);
  ::curl_easy_setopt(handle, CURLOPT_ERRORBUFFER, nullptr);
  if (result != CURLE_OK)
    throw MachineError{fmt::format("{} {}: {}", request.method, request.url,
                                   reason[0] != 0 ? reason.data() : ::curl_easy_strerror(result))};
  long status = 0;
  ::curl_easy_getinfo(handle, CURLINFO_RESPONSE_CODE, &status);
  response.status = static_cast<int>(status);
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
