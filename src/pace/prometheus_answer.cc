#include "pace/prometheus_answer.hh"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

namespace tl::pace {
namespace {

std::string series_name(const nlohmann::json& labels) {
  std::string name, list;
  for (const auto& [label, value] : labels.items()) {  // an object's keys come sorted
    if (label == "__name__") {
      name = value.get<std::string>();
    } else {
      list += (list.empty() ? "" : ",") + label + "=" + value.dump();
    }
  }
  return list.empty() ? name : name + "{" + list + "}";
}

Sample sample_of(const nlohmann::json& pair) {
  const auto time_ms = std::llround(pair.at(0).get<double>() * 1000);
  return {static_cast<std::int64_t>(time_ms) * 1'000'000, pair.at(1).get<std::string>()};
}

std::vector<SeriesSamples> all_series(const nlohmann::json& data) {
  const std::string type = data.at("resultType");
  const nlohmann::json& result = data.at("result");
  if (type == "scalar" || type == "string") return {{"", {sample_of(result)}}};
  std::vector<SeriesSamples> series;
  for (const nlohmann::json& one : result) {
    series.push_back({series_name(one.at("metric")), {}});
    if (type == "vector") {
      series.back().samples.push_back(sample_of(one.at("value")));
    } else {
      for (const nlohmann::json& pair : one.at("values"))
        series.back().samples.push_back(sample_of(pair));
    }
  }
  return series;
}

bool is_name_byte(char c, bool is_first) {
  const bool is_digit = c >= '0' && c <= '9';
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c == ':' ||
         (is_digit && !is_first);
}

}  // namespace

QueryAnswer parse_query_answer(const std::string& body) {
  try {
    const auto json = nlohmann::json::parse(body);
    if (json.at("status") != "success")
      return {json.value("error", "the server refused the query"), {}};
    return {"", all_series(json.at("data"))};
  } catch (const nlohmann::json::exception&) {
    return {"the answer is not one of Prometheus' query API", {}};
  }
}

bool is_selector(const std::string& expression) {
  std::size_t at = 0;
  while (at < expression.size() && is_name_byte(expression[at], at == 0)) ++at;
  if (at == expression.size()) return at > 0;
  if (expression[at] != '{' || !expression.ends_with('}')) return false;
  char quote = '\0';
  for (++at; at + 1 < expression.size(); ++at) {
    const char c = expression[at];
    if (quote != '\0') {
      if (c == '\\' && quote != '`') ++at;
      if (c == quote) quote = '\0';
    } else if (c == '"' || c == '\'' || c == '`') {
      quote = c;
    } else if (c == '{' || c == '}') {
      return false;
    }
  }
  return quote == '\0';
}

std::string promql_duration(std::int64_t nanoseconds) {
  return std::to_string(std::max<std::int64_t>(1, (nanoseconds + 999'999) / 1'000'000)) + "ms";
}

}  // namespace tl::pace
