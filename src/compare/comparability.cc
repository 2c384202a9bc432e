#include "compare/comparability.hh"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>

#include "base/errors.hh"
#include "spec/parse.hh"
#include "spec/settings.hh"

namespace tl {
namespace {

using nlohmann::json;
using Facts = std::map<std::string, std::string>;

std::string value_text(const json& value) {
  return value.is_string() ? value.get<std::string>() : value.dump();
}

void flatten(const json& value, const std::string& key, Facts& facts) {
  if (!value.is_object()) {
    facts[key] = value_text(value);
    return;
  }
  for (const auto& [name, inner] : value.items()) flatten(inner, key + "." + name, facts);
}

void add_experiment(const MeasuredRun& run, Facts& facts) {
  const std::string text = run.manifest.value("experiment", "");
  try {
    const Experiment experiment = parse_experiment_text(text, "experiment");
    for (const Setting& s : settings())
      facts[fmt::format("experiment.{}", s.path)] = s.get(experiment);
    facts["experiment.traffic.options"] =
        fmt::format("{}", fmt::join(experiment.iperf_options, " "));
  } catch (const UsageError&) {
    // Of a version with other settings: then the whole text has to be the same.
    facts["experiment.unreadable"] = text;
  }
}

Facts facts_of(const MeasuredRun& run) {
  Facts facts;
  add_experiment(run, facts);
  for (const char* part : {"outcome", "engine", "host", "versions"})
    if (run.manifest.contains(part)) flatten(run.manifest.at(part), part, facts);
  const json agents = run.manifest.value("agents", json::object());
  if (agents.contains("environment")) flatten(agents.at("environment"), "environment", facts);
  return facts;
}

// '*' at the end stands for any rest, and one in the middle for any part: environment.*.devices….
bool fits(std::string_view key, std::string_view pattern) {
  const std::size_t star = pattern.find('*');
  if (star == std::string_view::npos) return key == pattern;
  if (!key.starts_with(pattern.substr(0, star))) return false;
  const std::string_view rest = pattern.substr(star + 1);
  if (rest.empty()) return true;
  for (std::size_t i = star; i < key.size(); ++i)
    if (fits(key.substr(i), rest)) return true;
  return false;
}

const KeyClass* class_of(const std::string& key) {
  const auto& table = key_classes();
  const auto found =
      std::find_if(table.begin(), table.end(), [&](const KeyClass& c) { return fits(key, c.key); });
  return found == table.end() ? nullptr : &*found;
}

using Distinct = std::map<std::string, std::set<std::string>>;

Distinct distinct_values(const RunSet& runs, const std::set<std::string>& keys) {
  Distinct values;
  for (const MeasuredRun& run : runs) {
    Facts facts = facts_of(run);
    for (const std::string& key : keys) {
      const auto found = facts.find(key);
      values[key].insert(found == facts.end() ? "absent" : found->second);
    }
  }
  return values;
}

std::set<std::string> keys_of(const RunSet& base, const RunSet& fresh) {
  std::set<std::string> keys;
  for (const RunSet* side : {&base, &fresh})
    for (const MeasuredRun& run : *side)
      for (const auto& [key, value] : facts_of(run)) keys.insert(key);
  return keys;
}

}  // namespace

const char* text_of(Severity severity) {
  switch (severity) {
    case Severity::blocking:
      return "blocking";
    case Severity::warning:
      return "warning";
    case Severity::cosmetic:
      return "cosmetic";
  }
  return "";
}

const std::vector<KeyClass>& key_classes() {
  using enum Severity;
  static const std::vector<KeyClass> kClasses{
      {"outcome.verdict", blocking},  // every run has to be a valid measurement
      {"experiment.name", cosmetic},
      {"experiment.engine", cosmetic},  // what was asked for; engine.name is what was taken
      {"experiment.capture.*", warning},
      {"experiment.*", blocking},
      {"engine.name", blocking},
      {"engine.facts.subnet", cosmetic},
      {"engine.facts.*", warning},
      {"host.kernel.machine", blocking},
      {"host.kernel.release", warning},
      {"host.kernel_command_line", warning},
      {"host.clock_source", warning},
      {"host.bpf_stats_enabled", warning},
      {"host.cpu.*", warning},
      {"host.memory_bytes", warning},
      {"host.*", cosmetic},
      {"versions.iperf", blocking},
      {"versions.trafficlab", warning},
      {"versions.libbpf", warning},
      {"versions.capture", warning},
      {"versions.*", cosmetic},
      {"environment.*.mtu", blocking},
      {"environment.*.qdisc", warning},
      {"environment.*.offloads.*", warning},
      {"environment.*.gso_max_size", warning},
      {"environment.*.sysctls.net.ipv4.tcp_*", warning},
      {"environment.*.sysctls.net.core.*", warning},
      {"environment.*.sysctls.*", cosmetic},
  };
  return kClasses;
}

std::vector<Difference> differences(const RunSet& base, const RunSet& fresh,
                                    bool is_experiment_free) {
  const std::set<std::string> keys = keys_of(base, fresh);
  const Distinct base_values = distinct_values(base, keys);
  const Distinct fresh_values = distinct_values(fresh, keys);
  std::vector<Difference> found;
  for (const std::string& key : keys) {
    const KeyClass* entry = class_of(key);
    if (entry == nullptr) continue;
    const std::set<std::string>& b = base_values.at(key);
    const std::set<std::string>& f = fresh_values.at(key);
    // Runs that all failed are equal, and still no measurement.
    const bool is_invalid = key == "outcome.verdict" && *b.begin() != "pass";
    if (b == f && b.size() == 1 && !is_invalid) continue;
    const bool is_free = is_experiment_free && key.starts_with("experiment.");
    found.push_back({key, is_free ? Severity::cosmetic : entry->severity,
                     fmt::format("{}", fmt::join(b, "; ")), fmt::format("{}", fmt::join(f, "; "))});
  }
  std::stable_sort(found.begin(), found.end(), [](const Difference& a, const Difference& b) {
    return a.severity < b.severity;
  });
  return found;
}

bool is_blocked(const std::vector<Difference>& differences) {
  return std::any_of(differences.begin(), differences.end(),
                     [](const Difference& d) { return d.severity == Severity::blocking; });
}

}  // namespace tl
