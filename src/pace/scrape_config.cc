#include "pace/scrape_config.hh"

#include <fmt/format.h>
#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <array>

#include "base/errors.hh"

namespace tl::pace {
namespace {

struct Unit {
  const char* name;
  std::int64_t milliseconds;
};
constexpr std::array kUnits{
    Unit{"ms", 1},         Unit{"s", 1000},        Unit{"m", 60'000},        Unit{"h", 3'600'000},
    Unit{"d", 86'400'000}, Unit{"w", 604'800'000}, Unit{"y", 31'536'000'000}};

bool is_word_byte(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

YAML::Node load(const std::string& text, const std::string& name) {
  try {
    YAML::Node root = YAML::Load(text);
    if (!root.IsMap() || !root["scrape_configs"].IsSequence())
      throw UsageError{fmt::format("{}: there are no scrape_configs", name)};
    return root;
  } catch (const YAML::Exception& error) {
    throw UsageError{fmt::format("{}:{}: {}", name, error.mark.line + 1, error.msg)};
  }
}

// The scalar of a key, or empty: asking an absent node for its kind would throw.
std::string text_of(const YAML::Node& map, const char* key) {
  if (!map.IsDefined() || !map.IsMap()) return "";
  const YAML::Node value = map[key];
  return value.IsDefined() && value.IsScalar() ? value.Scalar() : "";
}

std::string job_name(const YAML::Node& job) { return text_of(job, "job_name"); }

YAML::Node find_job(const YAML::Node& root, const std::string& wanted, const std::string& name) {
  std::string known;
  for (const YAML::Node& job : root["scrape_configs"]) {
    if (job_name(job) == wanted) return job;
    known += (known.empty() ? "" : ", ") + job_name(job);
  }
  throw UsageError{fmt::format("{}: there is no job '{}' (jobs: {})", name, wanted, known)};
}

// Equal in every key and value, but for `key` of the job called `job`.
bool is_same(const YAML::Node& a, const YAML::Node& b, const std::string& job,
             const std::string& key) {
  if (a.Type() != b.Type() || a.Tag() != b.Tag()) return false;
  if (a.IsScalar()) return a.Scalar() == b.Scalar();
  if (a.IsSequence())
    return a.size() == b.size() &&
           std::equal(a.begin(), a.end(), b.begin(),
                      [&](const auto& x, const auto& y) { return is_same(x, y, job, key); });
  if (!a.IsMap()) return true;
  const bool is_edited = job_name(a) == job && job_name(b) == job;
  const auto is_covered = [&](const YAML::Node& one, const YAML::Node& other) {
    return std::all_of(one.begin(), one.end(), [&](const auto& entry) {
      const std::string name = entry.first.Scalar();
      if (is_edited && name == key) return true;
      return other[name].IsDefined() && is_same(entry.second, other[name], job, key);
    });
  };
  return is_covered(a, b) && is_covered(b, a);
}

}  // namespace

std::chrono::milliseconds parse_prometheus_duration(const std::string& text) {
  std::int64_t sum_ms = 0;
  std::size_t at = 0;
  const auto refuse = [&] {
    throw UsageError{fmt::format("duration '{}': expected one such as 15s, 1m30s or 500ms", text)};
  };
  if (text.empty() || text.size() > 30) refuse();
  while (at < text.size()) {
    const std::size_t digits = text.find_first_not_of("0123456789", at);
    if (digits == at || digits == std::string::npos || digits - at > 9) refuse();
    const std::size_t end = std::min(text.find_first_of("0123456789", digits), text.size());
    const std::string unit = text.substr(digits, end - digits);
    const auto* found = std::find_if(kUnits.begin(), kUnits.end(),
                                     [&](const Unit& one) { return unit == one.name; });
    if (found == kUnits.end()) refuse();
    sum_ms += std::stoll(text.substr(at, digits - at)) * found->milliseconds;
    at = end;
  }
  return std::chrono::milliseconds{sum_ms};
}

std::string format_prometheus_duration(std::chrono::milliseconds duration) {
  const std::int64_t ms = duration.count();
  return ms % 1000 == 0 ? fmt::format("{}s", ms / 1000) : fmt::format("{}ms", ms);
}

ScrapeConfig::ScrapeConfig(std::string text, std::string name)
    : text_{std::move(text)}, name_{std::move(name)} {
  (void)load(text_, name_);
}

std::vector<std::string> ScrapeConfig::jobs() const {
  std::vector<std::string> names;
  const YAML::Node root = load(text_, name_);
  for (const YAML::Node& job : root["scrape_configs"]) names.push_back(job_name(job));
  return names;
}

ScrapeTimes ScrapeConfig::times(const std::string& job) const {
  const YAML::Node root = load(text_, name_);
  const YAML::Node own = find_job(root, job, name_), global = root["global"];
  ScrapeTimes times;
  const auto read = [](const YAML::Node& map, const char* key, std::chrono::milliseconds& to) {
    const std::string text = text_of(map, key);
    if (!text.empty()) to = parse_prometheus_duration(text);
  };
  for (const YAML::Node& map : {global, own}) {
    read(map, "scrape_interval", times.interval);
    read(map, "scrape_timeout", times.timeout);
  }
  times.timeout = std::min(times.timeout, times.interval);  // as Prometheus takes the global one
  return times;
}

ScrapeConfig ScrapeConfig::with_value(const std::string& job, const std::string& key,
                                      std::chrono::milliseconds value) const {
  const YAML::Node root = load(text_, name_);
  const YAML::Node map = find_job(root, job, name_);
  const std::string written = format_prometheus_duration(value);
  std::string text = text_;
  if (const YAML::Node old = map[key]; old.IsDefined()) {
    auto begin = static_cast<std::size_t>(old.Mark().pos);
    while (begin < text.size() && !is_word_byte(text[begin])) ++begin;  // a quote
    std::size_t end = begin;
    while (end < text.size() && is_word_byte(text[end])) ++end;
    text.replace(begin, end - begin, written);
  } else if (map.Style() == YAML::EmitterStyle::Flow) {
    text.insert(static_cast<std::size_t>(map.Mark().pos) + 1, key + ": " + written + ", ");
  } else {
    const auto entry = std::find_if(
        map.begin(), map.end(), [](const auto& one) { return one.first.Scalar() == "job_name"; });
    const auto indent = static_cast<std::size_t>(entry->first.Mark().column);
    const auto from = static_cast<std::size_t>(entry->second.Mark().pos);
    const std::size_t line_end = std::min(text.find('\n', from), text.size());
    text.insert(line_end, "\n" + std::string(indent, ' ') + key + ": " + written);
  }
  // Marks can mislead (anchors, merged keys): what came out is compared with what was to be.
  ScrapeConfig edited{text, name_};
  const YAML::Node result = load(text, name_);
  const std::string changed = text_of(find_job(result, job, name_), key.c_str());
  if (!is_same(root, result, job, key) || changed != written)
    throw UsageError{fmt::format(
        "{}: {} of job '{}' cannot be changed alone (write it in the job itself, without anchors)",
        name_, key, job)};
  return edited;
}

ScrapeConfig ScrapeConfig::with_interval(const std::string& job,
                                         std::chrono::milliseconds interval) const {
  const ScrapeTimes now = times(job);
  ScrapeConfig edited = *this;
  if (now.interval != interval) edited = edited.with_value(job, "scrape_interval", interval);
  // A job's own timeout above its interval makes Prometheus refuse the file; the global one is cut.
  const std::string own = text_of(find_job(load(text_, name_), job, name_), "scrape_timeout");
  if (!own.empty() && parse_prometheus_duration(own) > interval)
    edited = edited.with_value(job, "scrape_timeout", interval);
  return edited;
}

}  // namespace tl::pace
