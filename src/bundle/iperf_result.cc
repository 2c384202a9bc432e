#include "bundle/iperf_result.hh"

#include <array>

#include "base/dump_json.hh"
#include "base/errors.hh"
#include "base/fd.hh"

namespace tl {
namespace {

using nlohmann::json;

// printf writes these for floating point values that JSON has no word for.
std::string without_nan(std::string_view text) {
  constexpr std::array<std::string_view, 4> kWords{"-nan", "nan", "-inf", "inf"};
  std::string clean;
  bool in_string = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\\' && in_string) {
      clean += text.substr(i, 2);
      ++i;
      continue;
    }
    if (text[i] == '"') in_string = !in_string;
    bool replaced = false;
    for (const std::string_view word : kWords) {
      if (in_string || text.substr(i, word.size()) != word) continue;
      clean += "null";
      i += word.size() - 1;
      replaced = true;
      break;
    }
    if (!replaced) clean += text[i];
  }
  return clean;
}

json parse_object(std::string_view text) {
  const std::size_t begin = text.find('{');
  const std::size_t end = text.rfind('}');
  if (begin == std::string_view::npos || end == std::string_view::npos || end < begin)
    return nullptr;
  const std::string clean = without_nan(text.substr(begin, end - begin + 1));
  return json::parse(clean, nullptr, /*allow_exceptions=*/false);
}

const json& member(const json& object, const char* name) {
  static const json kNothing;
  const auto found = object.is_object() ? object.find(name) : object.end();
  return object.is_object() && found != object.end() ? *found : kNothing;
}

std::uint64_t count(const json& object, const char* name) {
  const json& value = member(object, name);
  return value.is_number() && value.get<double>() > 0 ? value.get<std::uint64_t>() : 0;
}

}  // namespace

IperfResult parse_iperf(std::string_view text) {
  IperfResult result;
  result.document = parse_object(text);
  if (!result.document.is_object()) {
    result.error = "the output holds no JSON object";
    return result;
  }
  const json& version = member(member(result.document, "start"), "version");
  if (version.is_string()) result.version = version.get<std::string>();
  const json& reported = member(result.document, "error");
  if (!reported.is_null()) {
    result.error = reported.is_string() ? reported.get<std::string>() : dump_json(reported);
    return result;
  }
  const json& end = member(result.document, "end");
  // UDP of iperf 3.12 has "sum" only; later versions and TCP have both sides.
  const json& sent = member(end, member(end, "sum_sent").is_object() ? "sum_sent" : "sum");
  const json& received =
      member(end, member(end, "sum_received").is_object() ? "sum_received" : "sum");
  if (!sent.is_object()) {
    result.error = "the output has no end section: the test did not finish";
    return result;
  }
  result.bytes_sent = count(sent, "bytes");
  result.bytes_received = count(received, "bytes");
  const json& seconds = member(sent, "seconds");
  if (seconds.is_number()) result.seconds = seconds.get<double>();
  if (member(sent, "retransmits").is_number())
    result.retransmits = member(sent, "retransmits").get<std::int64_t>();
  if (result.bytes_sent == 0 && result.bytes_received == 0)
    result.error = "no byte was transferred";
  return result;
}

IperfResult read_iperf(const std::filesystem::path& path) {
  try {
    return parse_iperf(read_file(path));
  } catch (const Error& e) {
    IperfResult result;
    result.error = e.what();
    return result;
  }
}

}  // namespace tl
