#include "serve/json_members.hh"

#include <doctest/doctest.h>

#include <array>
#include <string>

namespace tl::serve_json_members_test {
namespace {

using nlohmann::json;

constexpr std::array<std::string_view, 3> kWanted{"name", "values", "absent"};

TEST_CASE("json_members keeps what is wanted, with every type as it was") {
  const json values = {nullptr,
                       true,
                       false,
                       0,
                       -1,
                       std::int64_t{-9223372036854775807},
                       18446744073709551615U,
                       0.1,
                       1e300,
                       "",
                       "a\"\n\u00fc",
                       json::array(),
                       json::object(),
                       {{"deep", {1, {{"er", 2}}}}}};
  const json document = {{"name", "x"}, {"values", values}, {"more", {{"name", "not this"}}}};
  CHECK(json_members(document.dump(2), kWanted) == json{{"name", "x"}, {"values", values}});
}

TEST_CASE("json_members keeps types apart that JSON's text tells apart") {
  const json kept = json_members(R"({"values": [1, 1.0, 1e0]})", kWanted);
  REQUIRE(kept.at("values").size() == 3);
  CHECK(kept["values"][0].is_number_integer());
  CHECK(kept["values"][1].is_number_float());
  CHECK(kept["values"][2].is_number_float());
}

TEST_CASE("json_members refuses what is not one JSON object, also behind the wanted members") {
  for (const char* text : {"", " ", "[]", "1", "null", "\"name\"", "{", R"({"name": 1)",
                           R"({"name": 1}})", R"({"name": 1} x)", R"({"name": 1, "more": [1,]})",
                           R"({"name": 1, "more": tru})", "{\"name\": \"\xff\"}", R"({name: 1})"}) {
    CAPTURE(text);
    CHECK(json_members(text, kWanted).is_null());
  }
}

TEST_CASE("json_members: every cut of a document is refused") {
  const std::string text = json{{"name", "x"}, {"values", {1, {{"a", "b"}}}}}.dump();
  for (std::size_t n = 0; n < text.size(); ++n) {
    CAPTURE(n);
    CHECK(json_members(text.substr(0, n), kWanted).is_null());
  }
}

TEST_CASE("json_members: nesting beyond any reason is refused, not followed") {
  const std::string deep =
      R"({"values": )" + std::string(100'000, '[') + std::string(100'000, ']') + "}";
  CHECK(json_members(deep, kWanted).is_null());
}

}  // namespace
}  // namespace tl::serve_json_members_test
