// Owners of what libcurl hands out.
#pragma once

#include <curl/curl.h>

#include <memory>

namespace tl::live {

template <auto free>
struct CurlFree {
  template <class T>
  void operator()(T* object) const {
    free(object);
  }
};
using CurlUrl = std::unique_ptr<CURLU, CurlFree<curl_url_cleanup>>;
using CurlEasy = std::unique_ptr<CURL, CurlFree<curl_easy_cleanup>>;
using CurlHeaders = std::unique_ptr<curl_slist, CurlFree<curl_slist_free_all>>;
using CurlText = std::unique_ptr<char, CurlFree<curl_free>>;

}  // namespace tl::live
