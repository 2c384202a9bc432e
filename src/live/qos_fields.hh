// Every field of the measurement qos_metrics, once: its name, its type for ever, and what it means.
// All writers go through this table, so that no probe outcome can change a field's type
// (docs/qos.md).
#pragma once

#include <span>
#include <string_view>

namespace tl::live {

enum class FieldType { real, integer, text };

struct QosField {
  std::string_view name;
  FieldType type = FieldType::real;
  std::string_view probe;  // "ping", "iperf", "http"
  bool is_users = false;   // one of the 14 names the users already know
  std::string_view meaning;
};

std::span<const QosField> qos_fields();
// nullptr for an unknown name.
const QosField* find_qos_field(std::string_view name);

}  // namespace tl::live
