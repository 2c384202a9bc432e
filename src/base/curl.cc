#include "base/curl.hh"

#include <dlfcn.h>
#include <fmt/format.h>

#include "base/errors.hh"

namespace tl {
namespace {

[[noreturn]] void throw_not_loaded() {
  const char* const reason = ::dlerror();
  throw MachineError{fmt::format("load libcurl: {} (apt-get install libcurl4)",
                                 reason != nullptr ? reason : "unknown reason")};
}

template <class Function>
void find(void* library, const char* symbol, Function& function) {
  function = reinterpret_cast<Function>(::dlsym(library, symbol));
  if (function == nullptr) throw_not_loaded();
}

}  // namespace

CurlApi load_curl(const char* library) {
  // Never closed: libcurl and what it loads leave threads' data and handlers behind.
  void* const handle = ::dlopen(library, RTLD_NOW | RTLD_LOCAL);
  if (handle == nullptr) throw_not_loaded();
  CurlApi api;
  find(handle, "curl_easy_init", api.easy_init);
  find(handle, "curl_easy_cleanup", api.easy_cleanup);
  find(handle, "curl_easy_reset", api.easy_reset);
  find(handle, "curl_easy_setopt", api.easy_setopt);
  find(handle, "curl_easy_perform", api.easy_perform);
  find(handle, "curl_easy_getinfo", api.easy_getinfo);
  find(handle, "curl_easy_strerror", api.easy_strerror);
  find(handle, "curl_slist_append", api.slist_append);
  find(handle, "curl_slist_free_all", api.slist_free_all);
  find(handle, "curl_url", api.url);
  find(handle, "curl_url_cleanup", api.url_cleanup);
  find(handle, "curl_url_set", api.url_set);
  find(handle, "curl_url_get", api.url_get);
  find(handle, "curl_free", api.free);
  find(handle, "curl_getdate", api.getdate);
  find(handle, "curl_version", api.version);
  decltype(&::curl_global_init) global_init = nullptr;
  find(handle, "curl_global_init", global_init);
  if (global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
    throw MachineError{"start libcurl: out of memory"};
  return api;
}

const CurlApi& curl() {
  // Initialising is not safe in threads by itself in every libcurl; a local static's is.
  static const CurlApi api = load_curl("libcurl.so.4");  // docker/Dockerfile names it, too
  return api;
}

CurlEasy curl_handle() {
  CurlEasy handle{curl().easy_init()};
  if (!handle) throw MachineError{"start libcurl: out of memory"};
  return handle;
}

}  // namespace tl
