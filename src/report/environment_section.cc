#include "report/environment_section.hh"

#include <fmt/format.h>

#include <string>

namespace tl {
namespace {

using nlohmann::json;

std::string text_of(const json& value) {
  if (value.is_null()) return "not known";
  std::string text = value.is_string() ? value.get<std::string>() : value.dump();
  while (text.ends_with('\n')) text.pop_back();
  return text;
}

// Rows for every leaf of `value`; names of nested members are joined by a blank.
void add_rows(json& rows, const std::string& name, const json& value) {
  if (!value.is_object()) {
    rows.push_back({name, text_of(value)});
    return;
  }
  for (const auto& [key, inner] : value.items())
    add_rows(rows, name.empty() ? key : name + " " + key, inner);
}

void add_group(json& groups, const std::string& name, const json& value) {
  json rows = json::array();
  if (value.is_object()) add_rows(rows, "", value);
  if (!rows.empty()) groups.push_back({{"name", name}, {"rows", rows}});
}

// "on" offloads of a device as one text: a table of forty rows says less.
std::string offloads_on(const json& offloads) {
  std::string text;
  for (const auto& [name, on] : offloads.items())
    if (on == true) text += (text.empty() ? "" : ", ") + name;
  return text.empty() ? "none" : text;
}

void add_service(json& groups, const std::string& service, const json& environment) {
  json rows = json::array();
  const json devices = environment.value("devices", json::object());
  for (const auto& [name, device] : devices.items()) {
    if (!device.is_object()) continue;
    for (const auto& [key, value] : device.items())
      rows.push_back({name + " " + key, key == "offloads" ? offloads_on(value) : text_of(value)});
  }
  if (!rows.empty()) groups.push_back({{"name", "Devices of " + service}, {"rows", rows}});
  add_group(groups, "Kernel settings of " + service, environment.value("sysctls", json::object()));
}

}  // namespace

json environment_section(const json& manifest) {
  json groups = json::array();
  add_group(groups, "Host", manifest.value("host", json()));
  add_group(groups, "Engine", manifest.value("engine", json()));
  add_group(groups, "Versions", manifest.value("versions", json()));
  add_group(groups, "Services", manifest.value("services", json()));
  const json agents = manifest.value("agents", json::object());
  const json environment = agents.is_object() ? agents.value("environment", json()) : json();
  if (environment.is_object())
    for (const auto& [service, facts] : environment.items())
      if (facts.is_object()) add_service(groups, service, facts);
  return groups;
}

}  // namespace tl
