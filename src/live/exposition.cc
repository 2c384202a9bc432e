#include "live/exposition.hh"

#include <zlib.h>

#include <charconv>

#include "base/errors.hh"
#include "live/exposition_formats.hh"

namespace tl::live {
namespace {

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

// Takes the part up to the next separator off the front.
std::string_view next_part(std::string_view& rest, char separator) {
  const std::size_t end = std::min(rest.find(separator), rest.size());
  const std::string_view part = trimmed(rest.substr(0, end));
  rest.remove_prefix(std::min(end + 1, rest.size()));
  return part;
}

// One element of Accept or Accept-Encoding (RFC 9110 section 12.5).
struct Preference {
  std::string_view name;
  double quality = 1;
  std::string_view version, proto, encoding;
};

Preference parse_preference(std::string_view element) {
  Preference result;
  result.name = next_part(element, ';');
  while (!element.empty()) {
    std::string_view parameter = next_part(element, ';');
    const std::string_view key = next_part(parameter, '=');
    if (key == "version") result.version = parameter;
    if (key == "proto") result.proto = parameter;
    if (key == "encoding") result.encoding = parameter;
    if (key != "q") continue;
    const auto end = parameter.data() + parameter.size();
    if (std::from_chars(parameter.data(), end, result.quality).ec != std::errc{})
      result.quality = 0;
  }
  return result;
}

bool matches(const Preference& wanted, Format format) {
  switch (format) {
    case Format::protobuf:
      return wanted.name == "application/vnd.google.protobuf" &&
             wanted.proto == "io.prometheus.client.MetricFamily" && wanted.encoding == "delimited";
    case Format::openmetrics:
      return wanted.name == "application/openmetrics-text" &&
             (wanted.version.empty() || wanted.version == "1.0.0" || wanted.version == "0.0.1");
    case Format::text:
      return wanted.name == "*/*" || wanted.name == "text/*" ||
             (wanted.name == "text/plain" && (wanted.version.empty() || wanted.version == "0.0.4"));
  }
  return false;
}

}  // namespace

Format negotiate(std::string_view accept) {
  Format best = Format::text;
  double best_quality = 0;
  while (!accept.empty()) {
    const Preference wanted = parse_preference(next_part(accept, ','));
    for (const Format format : {Format::protobuf, Format::openmetrics, Format::text}) {
      if (wanted.quality <= best_quality || !matches(wanted, format)) continue;
      best = format;
      best_quality = wanted.quality;
    }
  }
  return best;
}

bool accepts_gzip(std::string_view accept_encoding) {
  bool any = false;
  while (!accept_encoding.empty()) {
    const Preference wanted = parse_preference(next_part(accept_encoding, ','));
    if (wanted.name == "gzip") return wanted.quality > 0;
    if (wanted.name == "*") any = wanted.quality > 0;
  }
  return any;
}

std::string_view content_type(Format format) {
  switch (format) {
    case Format::text:
      return "text/plain; version=0.0.4; charset=utf-8";
    case Format::openmetrics:
      return "application/openmetrics-text; version=1.0.0; charset=utf-8";
    case Format::protobuf:
      return "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; "
             "encoding=delimited";
  }
  return "";
}

std::string family_name(const Family& family, Format format) {
  if (format == Format::openmetrics) return family.name;
  if (family.type == Type::counter) return family.name + "_total";
  return family.type == Type::info ? family.name + "_info" : family.name;
}

std::string encode(const std::vector<Family>& families, Format format,
                   const EncodeOptions& options) {
  return format == Format::protobuf ? encode_protobuf(families)
                                    : encode_text(families, format, options);
}

std::string gzip(std::string_view bytes) {
  constexpr int kGzipWrapper = 15 + 16;  // zlib.h: window bits, +16 for a gzip header
  z_stream stream{};
  if (::deflateInit2(&stream, Z_BEST_SPEED, Z_DEFLATED, kGzipWrapper, 8, Z_DEFAULT_STRATEGY) !=
      Z_OK)
    throw MachineError{"compress page: zlib does not start"};
  std::string result(::deflateBound(&stream, bytes.size()), '\0');
  // zlib never writes through next_in; its type predates const.
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data()));
  stream.avail_in = static_cast<uInt>(bytes.size());
  stream.next_out = reinterpret_cast<Bytef*>(result.data());
  stream.avail_out = static_cast<uInt>(result.size());
  const int status = ::deflate(&stream, Z_FINISH);
  result.resize(stream.total_out);
  ::deflateEnd(&stream);
  if (status != Z_STREAM_END) throw MachineError{"compress page: zlib does not finish"};
  return result;
}

}  // namespace tl::live
