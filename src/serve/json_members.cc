#include "serve/json_members.hh"

#include <simdjson.h>

#include <string>

namespace tl {
namespace {

using nlohmann::json;
using simdjson::dom::element_type;

// A copy that outlives the parser. The values are there: each is asked for by the type it has.
json copy_of(const simdjson::dom::element& value) {
  json copy;
  switch (value.type()) {
    case element_type::OBJECT:
      copy = json::object();
      for (const auto& [key, member] : simdjson::dom::object(value))
        copy[std::string{key}] = copy_of(member);
      break;
    case element_type::ARRAY:
      copy = json::array();
      for (const auto& item : simdjson::dom::array(value)) copy.push_back(copy_of(item));
      break;
    case element_type::STRING:
      copy = std::string_view(value);
      break;
    case element_type::INT64:
      copy = std::int64_t(value);
      break;
    case element_type::UINT64:
      copy = std::uint64_t(value);
      break;
    case element_type::DOUBLE:
      copy = double(value);
      break;
    case element_type::BOOL:
      copy = bool(value);
      break;
    case element_type::NULL_VALUE:
      break;
  }
  return copy;
}

}  // namespace

json json_members(std::string_view text, std::span<const std::string_view> wanted) {
  thread_local simdjson::dom::parser parser;  // keeps its memory from document to document
  simdjson::dom::object document;
  if (parser.parse(text.data(), text.size()).get(document) != simdjson::SUCCESS) return nullptr;
  json members = json::object();
  for (const std::string_view name : wanted)
    if (simdjson::dom::element value; document[name].get(value) == simdjson::SUCCESS)
      members[std::string{name}] = copy_of(value);
  return members;
}

}  // namespace tl
