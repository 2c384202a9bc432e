#include "compare/policy.hh"

#include <fmt/format.h>
#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <array>

#include "base/errors.hh"
#include "base/fd.hh"
#include "compare/limit.hh"

namespace tl {
namespace {

constexpr std::array<std::string_view, 3> kPolicyKeys{"confidence", "on_inconclusive", "gates"};
constexpr std::array<std::string_view, 6> kGateKeys{"metric",  "max_worse", "at_least",
                                                    "at_most", "better",    "confidence"};

const char* text_of(GateKind kind) {
  switch (kind) {
    case GateKind::max_worse:
      return "max_worse";
    case GateKind::at_least:
      return "at_least";
    case GateKind::at_most:
      return "at_most";
  }
  return "";
}

class Reader {
 public:
  explicit Reader(std::string file) : file_{std::move(file)} {}

  Policy read(const YAML::Node& root) {
    Policy policy;
    policy.file = file_;
    check_keys(root, kPolicyKeys, "policy");
    if (root["confidence"]) confidence_ = convert(root["confidence"], parse_confidence);
    if (root["on_inconclusive"])
      policy.on_inconclusive = one_of<Verdict>(root["on_inconclusive"], "on_inconclusive",
                                               {{"inconclusive", Verdict::inconclusive},
                                                {"fail", Verdict::fail},
                                                {"pass", Verdict::pass}});
    const YAML::Node gates = root["gates"];
    // A check that evaluates nothing must not pass.
    if (!gates || !gates.IsSequence() || gates.size() == 0)
      refuse(gates ? gates.Mark() : root.Mark(), "gates: expected a list with at least one gate");
    for (const YAML::Node& gate : gates) policy.gates.push_back(read_gate(gate));
    return policy;
  }

  [[noreturn]] void refuse(const YAML::Mark& mark, const std::string& message) const {
    throw UsageError{fmt::format("{}:{}: {}", file_, std::max(mark.line, 0) + 1, message)};
  }

 private:
  template <std::size_t N>
  void check_keys(const YAML::Node& map, const std::array<std::string_view, N>& known,
                  const char* what) {
    if (!map.IsMap()) refuse(map.Mark(), fmt::format("{}: expected keys and values", what));
    std::vector<std::string> seen;
    for (const auto& entry : map) {
      const YAML::Node key_node = entry.first;
      const std::string key = key_node.IsScalar() ? key_node.Scalar() : "";
      if (std::find(known.begin(), known.end(), key) == known.end())
        refuse(key_node.Mark(),
               fmt::format("unknown key '{}' (known here: {})", key, fmt::join(known, ", ")));
      if (std::find(seen.begin(), seen.end(), key) != seen.end())
        refuse(key_node.Mark(), fmt::format("'{}' stands twice", key));
      seen.push_back(key);
    }
  }

  std::string scalar(const YAML::Node& node) {
    if (!node.IsScalar()) refuse(node.Mark(), "expected one value");
    return node.Scalar();
  }

  // What `parse` makes of the node; its errors get the file and the line.
  template <class Parse>
  std::invoke_result_t<Parse, std::string_view> convert(const YAML::Node& node, Parse&& parse) {
    const std::string text = scalar(node);
    try {
      return parse(std::string_view{text});
    } catch (const UsageError& e) {
      refuse(node.Mark(), e.what());
    }
  }

  template <class T>
  T one_of(const YAML::Node& node, const char* what,
           const std::vector<std::pair<std::string, T>>& allowed) {
    const std::string text = scalar(node);
    std::vector<std::string> names;
    for (const auto& [name, value] : allowed) {
      if (name == text) return value;
      names.push_back(name);
    }
    refuse(node.Mark(), fmt::format("{} '{}': expected {}", what, text, fmt::join(names, ", ")));
  }

  Gate read_gate(const YAML::Node& node) {
    check_keys(node, kGateKeys, "gate");
    Gate gate;
    gate.line = node.Mark().line + 1;
    if (!node["metric"]) refuse(node.Mark(), "gate: 'metric' is missing");
    gate.metric = scalar(node["metric"]);
    read_limit(node, gate);
    gate.is_inferred = static_cast<bool>(node["confidence"]);
    gate.confidence =
        gate.is_inferred ? convert(node["confidence"], parse_confidence) : confidence_;
    if (node["better"])
      gate.better = one_of<Better>(node["better"], "better",
                                   {{"higher", Better::higher}, {"lower", Better::lower}});
    if (gate.better && gate.kind != GateKind::max_worse)
      refuse(node["better"].Mark(),
             fmt::format("better: says nothing beside {}", text_of(gate.kind)));
    return gate;
  }

  void read_limit(const YAML::Node& node, Gate& gate) {
    int limits = 0;
    for (const GateKind kind : {GateKind::max_worse, GateKind::at_least, GateKind::at_most}) {
      const YAML::Node value = node[text_of(kind)];
      if (!value) continue;
      ++limits;
      gate.kind = kind;
      gate.limit = convert(value, [&](std::string_view text) {
        return kind == GateKind::max_worse ? parse_limit(text, text_of(kind))
                                           : Limit{parse_amount(text, text_of(kind)), false};
      });
    }
    if (limits != 1)
      refuse(node.Mark(), fmt::format("gate of '{}': expected one of max_worse, at_least, at_most",
                                      gate.metric));
  }

  std::string file_;
  double confidence_ = 0.95;
};

}  // namespace

std::string name_of(const Gate& gate) {
  return fmt::format("{} {} {:g}{}", gate.metric, text_of(gate.kind),
                     gate.limit.is_relative ? gate.limit.amount * 100 : gate.limit.amount,
                     gate.limit.is_relative ? "%" : "");
}

Policy parse_policy_text(const std::string& text, const std::string& file) {
  Reader reader{file};
  try {
    return reader.read(YAML::Load(text));
  } catch (const YAML::Exception& e) {
    reader.refuse(e.mark, e.msg);
  }
}

Policy parse_policy(const std::filesystem::path& file) {
  std::string text;
  try {
    text = read_file(file);
  } catch (const MachineError& e) {
    throw UsageError{e.what()};
  }
  return parse_policy_text(text, file.native());
}

}  // namespace tl
