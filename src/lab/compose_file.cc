#include "lab/compose_file.hh"

#include <fmt/format.h>
#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <array>
#include <functional>
#include <string_view>

#include "base/errors.hh"
#include "base/fd.hh"

namespace tl {
namespace {

using Words = std::vector<std::string>;

class Parser {
 public:
  Parser(std::string file, const Variables& variables)
      : file_{std::move(file)}, variables_{variables} {}

  ComposeFile parse(const YAML::Node& root) {
    ComposeFile compose;
    each_key(
        root, "the file",
        [&](const std::string& key, const YAML::Node& value) {
          if (key == "services") return read_services(value, compose), true;
          if (key == "networks") return read_networks(value, compose), true;
          return key == "version";
        },
        "services, networks, version");
    check(compose, root);
    return compose;
  }

  [[noreturn]] void refuse(const YAML::Mark& mark, const std::string& message) const {
    throw UsageError{fmt::format("{}:{}: {}", file_, mark.line + 1, message)};
  }

 private:
  // Calls read(key, value) for every key of a map; a key that it does not take is refused.
  template <class Read>
  void each_key(const YAML::Node& map, const std::string& where, Read&& read,
                std::string_view known) {
    if (!map.IsMap()) refuse(map.Mark(), where + ": expected keys and values");
    for (const auto& entry : map) {
      const std::string key = entry.first.Scalar();
      if (key.starts_with("x-") || read(key, entry.second)) continue;
      refuse(entry.first.Mark(),
             fmt::format("{}: key '{}' is not supported by the netns engine (supported: {})", where,
                         key, known));
    }
  }

  void read_services(const YAML::Node& map, ComposeFile& compose) {
    each_key(
        map, "services",
        [&](const std::string& name, const YAML::Node& value) {
          compose.services.push_back(read_service(name, value));
          return true;
        },
        "");
  }

  ComposeService read_service(const std::string& name, const YAML::Node& map) {
    ComposeService s;
    s.name = name;
    const std::map<std::string, std::function<void(const YAML::Node&)>> readers{
        {"image", [&](const YAML::Node& v) { s.image = text(v); }},
        {"entrypoint", [&](const YAML::Node& v) { s.entrypoint = words(v); }},
        {"command", [&](const YAML::Node& v) { s.command = words(v); }},
        {"environment", [&](const YAML::Node& v) { s.environment = pairs(v); }},
        {"networks", [&](const YAML::Node& v) { s.networks = words(v); }},
        {"network_mode", [&](const YAML::Node& v) { s.network_mode = network_mode(v); }},
        {"user", [&](const YAML::Node& v) { s.user = user(v); }},
        {"cap_add", [&](const YAML::Node& v) { s.cap_add = words(v); }},
        {"cap_drop", [&](const YAML::Node& v) { s.cap_drop = words(v); }},
        {"volumes", [&](const YAML::Node& v) { s.volumes = volumes(v); }},
        {"pid",
         [&](const YAML::Node& v) {
           if (text(v) != "host") refuse(v.Mark(), "pid: expected host");
         }},
        // Without meaning for processes of this host, but part of the docker engine's lab.
        {"labels", [](const YAML::Node&) {}},
        {"init", [](const YAML::Node&) {}},
        {"stop_grace_period", [](const YAML::Node&) {}},
    };
    Words known;
    for (const auto& [key, reader] : readers) known.push_back(key);
    each_key(
        map, "service " + name,
        [&](const std::string& key, const YAML::Node& value) {
          const auto reader = readers.find(key);
          if (reader == readers.end()) return false;
          reader->second(value);
          return true;
        },
        fmt::format("{}", fmt::join(known, ", ")));
    return s;
  }

  void read_networks(const YAML::Node& map, ComposeFile& compose) {
    each_key(
        map, "networks",
        [&](const std::string& name, const YAML::Node& value) {
          ComposeNetwork network{name, ""};
          if (!value.IsNull())
            each_key(
                value, "network " + name,
                [&](const std::string& key, const YAML::Node& v) {
                  if (key == "ipam") network.subnet = subnet(v);
                  if (key == "driver" && text(v) != "bridge")
                    refuse(v.Mark(), "driver: expected bridge");
                  return key == "ipam" || key == "driver" || key == "internal" || key == "labels" ||
                         key == "driver_opts";
                },
                "driver, driver_opts, internal, ipam, labels");
          compose.networks.push_back(network);
          return true;
        },
        "");
  }

  std::string subnet(const YAML::Node& ipam) {
    std::string found;
    each_key(
        ipam, "ipam",
        [&](const std::string& key, const YAML::Node& list) {
          if (key != "config") return false;
          if (!list.IsSequence() || list.size() != 1)
            refuse(list.Mark(), "ipam.config: expected a list of one subnet");
          each_key(
              list[0], "ipam.config",
              [&](const std::string& inner, const YAML::Node& v) {
                if (inner == "subnet") found = text(v);
                return inner == "subnet";
              },
              "subnet");
          return true;
        },
        "config");
    return found;
  }

  std::string network_mode(const YAML::Node& v) {
    std::string mode = text(v);
    if (mode != "none" && !mode.starts_with("service:"))
      refuse(v.Mark(), fmt::format("network_mode '{}': expected none or service:NAME", mode));
    return mode;
  }

  std::string user(const YAML::Node& v) {
    std::string ids = text(v);
    if (ids.empty() || ids.find_first_not_of("0123456789:") != std::string::npos)
      refuse(v.Mark(), fmt::format("user '{}': expected UID or UID:GID as numbers", ids));
    return ids;
  }

  // A process of this host sees the host's files: only a folder mounted at its own path means the
  // same for it.
  Words volumes(const YAML::Node& list) {
    Words folders;
    for (const std::string& volume : words(list)) {
      const std::size_t colon = volume.find(':');
      const std::string target = colon == std::string::npos ? "" : volume.substr(colon + 1);
      if (volume.substr(0, colon) != target.substr(0, target.find(':')))
        refuse(list.Mark(),
               fmt::format("volumes '{}': expected PATH:PATH, the same path inside and outside",
                           volume));
      folders.push_back(volume.substr(0, colon));
    }
    return folders;
  }

  std::string text(const YAML::Node& node) {
    if (!node.IsScalar()) refuse(node.Mark(), "expected one value");
    return resolve(node.Scalar(), node.Mark());
  }

  Words words(const YAML::Node& node) {
    if (!node.IsSequence()) refuse(node.Mark(), "expected a list");
    Words list;
    for (const YAML::Node& word : node) list.push_back(text(word));
    return list;
  }

  Variables pairs(const YAML::Node& node) {
    Variables values;
    if (node.IsMap()) {
      for (const auto& entry : node) values[entry.first.Scalar()] = text(entry.second);
      return values;
    }
    for (const std::string& word : words(node)) {
      const std::size_t equals = word.find('=');
      if (equals == std::string::npos)
        refuse(node.Mark(), fmt::format("environment '{}': expected NAME=value", word));
      values[word.substr(0, equals)] = word.substr(equals + 1);
    }
    return values;
  }

  // ${NAME}, ${NAME:-default} and $$ (Compose specification, "Interpolation").
  std::string resolve(const std::string& raw, const YAML::Mark& mark) const {
    std::string result;
    for (std::size_t i = 0; i < raw.size(); ++i) {
      if (raw[i] != '$') {
        result += raw[i];
        continue;
      }
      if (raw.compare(i, 2, "$$") == 0) {
        result += raw[++i];
        continue;
      }
      const std::size_t end = raw.find('}', i);
      if (raw.compare(i, 2, "${") != 0 || end == std::string::npos)
        refuse(mark, fmt::format("'{}': expected ${{NAME}} or $$", raw));
      result += value_of(raw.substr(i + 2, end - i - 2), mark);
      i = end;
    }
    return result;
  }

  std::string value_of(const std::string& expression, const YAML::Mark& mark) const {
    const std::size_t split = expression.find(":-");
    const auto found = variables_.find(expression.substr(0, split));
    if (found != variables_.end() && (split == std::string::npos || !found->second.empty()))
      return found->second;
    if (split == std::string::npos)
      refuse(mark, fmt::format("variable '{}' is not set", expression));
    return expression.substr(split + 2);
  }

  // Names that refer to something must refer to something that is there.
  void check(const ComposeFile& compose, const YAML::Node& root) const {
    if (compose.services.empty()) refuse(root.Mark(), "services: expected at least one");
    for (const ComposeService& s : compose.services) {
      for (const std::string& network : s.networks)
        if (std::none_of(compose.networks.begin(), compose.networks.end(),
                         [&](const ComposeNetwork& n) { return n.name == network; }))
          refuse(root.Mark(),
                 fmt::format("service {}: no network '{}' in this file", s.name, network));
      const bool shares = s.network_mode.starts_with("service:");
      if (shares && std::none_of(compose.services.begin(), compose.services.end(),
                                 [&](const ComposeService& o) {
                                   return "service:" + o.name == s.network_mode &&
                                          o.network_mode.empty();
                                 }))
        refuse(
            root.Mark(),
            fmt::format("service {}: network_mode '{}' names no service with a network of its own",
                        s.name, s.network_mode));
    }
  }

  std::string file_;
  const Variables& variables_;
};

}  // namespace

ComposeFile parse_compose_text(const std::string& text, const std::string& file,
                               const Variables& variables) {
  Parser parser{file, variables};
  try {
    return parser.parse(YAML::Load(text));
  } catch (const YAML::Exception& e) {
    parser.refuse(e.mark, e.msg);
  }
}

ComposeFile parse_compose(const std::filesystem::path& file, const Variables& variables) {
  std::string text;
  try {
    text = read_file(file);
  } catch (const MachineError& e) {
    throw UsageError{e.what()};
  }
  return parse_compose_text(text, file.native(), variables);
}

}  // namespace tl
