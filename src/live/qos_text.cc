// The forms in which a row travels as text.
#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "base/clock.hh"
#include "live/csv.hh"
#include "live/qos_fields.hh"
#include "live/qos_row.hh"

namespace tl::live {
namespace {

std::string text_of(const FieldValue& value) {
  struct Visitor {
    std::string operator()(double v) const { return fmt::format("{}", v); }
    std::string operator()(std::int64_t v) const { return std::to_string(v); }
    std::string operator()(bool v) const { return v ? "true" : "false"; }
    std::string operator()(const std::string& v) const { return v; }
  };
  return std::visit(Visitor{}, value);
}

// The value as its field's type; JSON itself does not keep 12 and 12.0 apart for every writer.
std::optional<FieldValue> typed(const QosField& field, const nlohmann::json& value) {
  switch (field.type) {
    case FieldType::real:
      if (value.is_number()) return FieldValue{value.get<double>()};
      break;
    case FieldType::integer:
      if (value.is_number_integer()) return FieldValue{value.get<std::int64_t>()};
      break;
    case FieldType::text:
      if (value.is_string()) return FieldValue{value.get<std::string>()};
      break;
  }
  return std::nullopt;
}

}  // namespace

nlohmann::json to_json(const QosRow& row) {
  nlohmann::json fields = nlohmann::json::object();
  for (const auto& [name, value] : row.fields)
    std::visit([&, &key = name](const auto& v) { fields[key] = v; }, value);
  return {{"probe", row.probe},     {"target", row.target}, {"time_ns", row.time_ns},
          {"success", row.success}, {"error", row.error},   {"fields", fields}};
}

std::optional<QosRow> parse_row(const std::string& text) {
  const auto json = nlohmann::json::parse(text, nullptr, false);
  if (!json.is_object()) return std::nullopt;
  try {
    QosRow row;
    row.probe = json.at("probe").get<std::string>();
    row.target = json.at("target").get<std::string>();
    row.time_ns = json.at("time_ns").get<std::int64_t>();
    row.success = json.at("success").get<bool>();
    row.error = json.at("error").get<std::string>();
    for (const auto& [name, value] : json.at("fields").items()) {
      const QosField* field = find_qos_field(name);
      const auto converted = field == nullptr ? std::nullopt : typed(*field, value);
      if (!converted) return std::nullopt;
      row.set(name, *converted);
    }
    return row;
  } catch (const nlohmann::json::exception&) {
    return std::nullopt;
  }
}

std::string describe(const QosRow& row) {
  std::string text = fmt::format("{} {} {}:", utc_iso(row.time_ns), row.probe, row.target);
  for (const QosField& field : qos_fields())
    if (const FieldValue* value = row.find(field.name); value != nullptr && field.is_users)
      text += fmt::format(" {}={}", field.name, text_of(*value));
  if (!row.error.empty()) text += " (" + row.error + ")";
  return text;
}

std::string csv_header() {
  std::string line = "time,target,probe";
  for (const QosField& field : qos_fields()) line += "," + std::string{field.name};
  return line + "\r\n";
}

std::string csv_line(const QosRow& row) {
  std::string line = utc_iso(row.time_ns) + "," + csv_cell(row.target) + "," + row.probe;
  for (const QosField& field : qos_fields()) {
    const FieldValue* value = row.find(field.name);
    line += "," + (value == nullptr ? "" : csv_cell(text_of(*value)));
  }
  return line + "\r\n";
}

}  // namespace tl::live
