// Families as a page: the text format 0.0.4, OpenMetrics 1.0 and delimited protobuf
// (io.prometheus.client.MetricFamily), chosen by the Accept header. Independent of the locale.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "live/metric.hh"

namespace tl::live {

enum class Format { text, openmetrics, protobuf };

// The format with the highest q that we speak; equal q: the first named. Text when nothing fits,
// because a scraper that names nothing we know can usually still read it.
Format negotiate(std::string_view accept);
// Whether Accept-Encoding permits gzip.
bool accepts_gzip(std::string_view accept_encoding);
std::string_view content_type(Format format);

struct EncodeOptions {
  // When each series began: "_created" lines (gauges of their own in the text format).
  bool created = true;
  // What a text page cannot carry; a caller that must not lose them silently counts.
  std::uint64_t* exemplars_dropped = nullptr;
};
std::string encode(const std::vector<Family>& families, Format format,
                   const EncodeOptions& options = {});

// RFC 1952. Throws MachineError when zlib fails.
std::string gzip(std::string_view bytes);

// Parts of the formats, shared by the encoders.
std::string family_name(const Family& family, Format format);  // as the # TYPE line names it

}  // namespace tl::live
