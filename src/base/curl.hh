// libcurl, loaded when it is first used: it and the 23 libraries that it alone needs (GnuTLS,
// Kerberos, LDAP, SSH …) would otherwise cost every command a third of its start-up (4 to 6
// of 12 to 16 ms), and few commands speak HTTP.
#pragma once

#include <curl/curl.h>

#include <memory>
#include <type_traits>

namespace tl {

// The functions that this project calls, named as in libcurl without "curl_". Options and what is
// known of a transfer go through curl_set and curl_info below, which know each one's type.
struct CurlApi {
  decltype(&::curl_easy_init) easy_init = nullptr;
  decltype(&::curl_easy_cleanup) easy_cleanup = nullptr;
  decltype(&::curl_easy_reset) easy_reset = nullptr;
  decltype(&::curl_easy_setopt) easy_setopt = nullptr;
  decltype(&::curl_easy_perform) easy_perform = nullptr;
  decltype(&::curl_easy_getinfo) easy_getinfo = nullptr;
  decltype(&::curl_easy_strerror) easy_strerror = nullptr;
  decltype(&::curl_slist_append) slist_append = nullptr;
  decltype(&::curl_slist_free_all) slist_free_all = nullptr;
  decltype(&::curl_url) url = nullptr;
  decltype(&::curl_url_cleanup) url_cleanup = nullptr;
  decltype(&::curl_url_set) url_set = nullptr;
  decltype(&::curl_url_get) url_get = nullptr;
  decltype(&::curl_free) free = nullptr;
  decltype(&::curl_getdate) getdate = nullptr;
  decltype(&::curl_version) version = nullptr;
};

// Loads and initialises libcurl at the first call, of whichever thread; it stays loaded. Throws
// MachineError "load libcurl: reason (apt-get install libcurl4)"; the next call then tries again.
const CurlApi& curl();
// The same from a library of another name, each time anew.
CurlApi load_curl(const char* library);

// Owners of what libcurl hands out.
template <auto release>
struct CurlFree {
  template <class T>
  void operator()(T* object) const {
    (curl().*release)(object);
  }
};
using CurlEasy = std::unique_ptr<CURL, CurlFree<&CurlApi::easy_cleanup>>;
using CurlHeaders = std::unique_ptr<curl_slist, CurlFree<&CurlApi::slist_free_all>>;
using CurlUrl = std::unique_ptr<CURLU, CurlFree<&CurlApi::url_cleanup>>;
using CurlText = std::unique_ptr<char, CurlFree<&CurlApi::free>>;

// A new handle, never null: throws MachineError instead.
CurlEasy curl_handle();

// What curl_easy_setopt reads for an option: its number says the kind. Callbacks have one type
// except the one that seeks.
template <CURLoption option>
using CurlValue = std::conditional_t<
    option / 10'000 * 10'000 == CURLOPTTYPE_LONG, long,
    std::conditional_t<
        option / 10'000 * 10'000 == CURLOPTTYPE_OFF_T, curl_off_t,
        std::conditional_t<
            option / 10'000 * 10'000 == CURLOPTTYPE_OBJECTPOINT, const void*,
            std::conditional_t<option == CURLOPT_SEEKFUNCTION, curl_seek_callback,
                               std::conditional_t<option == CURLOPT_WRITEFUNCTION ||
                                                      option == CURLOPT_HEADERFUNCTION ||
                                                      option == CURLOPT_READFUNCTION,
                                                  curl_write_callback, void>>>>>;

// The value is converted to the option's type before it goes through "...", which converts nothing.
template <CURLoption option>
void curl_set(CURL* handle, CurlValue<option> value) {
  curl().easy_setopt(handle, option, value);
}

// What curl_easy_getinfo writes for a question.
template <CURLINFO what>
using CurlInfo = std::conditional_t<
    (what & CURLINFO_TYPEMASK) == CURLINFO_LONG, long,
    std::conditional_t<
        (what & CURLINFO_TYPEMASK) == CURLINFO_OFF_T, curl_off_t,
        std::conditional_t<(what & CURLINFO_TYPEMASK) == CURLINFO_STRING, const char*, void>>>;

// 0 or null when libcurl does not know.
template <CURLINFO what>
CurlInfo<what> curl_info(CURL* handle) {
  CurlInfo<what> value{};
  curl().easy_getinfo(handle, what, &value);
  return value;
}

}  // namespace tl
