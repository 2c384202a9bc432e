#include "base/curl.hh"

#include <doctest/doctest.h>

#include <string>

#include "base/errors.hh"

namespace tl::base_curl_test {

std::string why_not_loaded(const char* library) {
  try {
    (void)load_curl(library);
  } catch (const MachineError& e) {
    return e.what();
  }
  return "";
}

TEST_CASE("libcurl is loaded once and works") {
  CHECK(std::string{curl().version()}.starts_with("libcurl/"));
  CHECK(&curl() == &curl());
  const CurlEasy handle = curl_handle();
  CHECK(curl_info<CURLINFO_RESPONSE_CODE>(handle.get()) == 0);
  curl_set<CURLOPT_URL>(handle.get(), "http://198.18.0.1:1/");
  curl_set<CURLOPT_PROTOCOLS_STR>(handle.get(), "file");
  CHECK(curl().easy_perform(handle.get()) == CURLE_UNSUPPORTED_PROTOCOL);
  CHECK(curl_info<CURLINFO_SIZE_DOWNLOAD_T>(handle.get()) == 0);
}

TEST_CASE("a library that is not there, or is not libcurl, is named with what to install") {
  const std::string absent = why_not_loaded("libtrafficlab-absent.so.4");
  CHECK(absent.starts_with("load libcurl: libtrafficlab-absent.so.4: "));
  CHECK(absent.ends_with("(apt-get install libcurl4)"));
  const std::string other = why_not_loaded("libm.so.6");
  CHECK(other.find("undefined symbol: curl_easy_init") != std::string::npos);
  CHECK(other.ends_with("(apt-get install libcurl4)"));
}
}  // namespace tl::base_curl_test
