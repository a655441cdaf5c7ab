// SPDX-License-Identifier: MIT
// Declarations without types: when they tell what a body holds, and when they must not.
#include <vmstream/vmdesc.h>

#include <fmt/format.h>

#include <vmstream/device_state.h>
#include "support/catch.h"

using namespace vmstream;
using namespace std::literals;

namespace {

std::span<const std::byte> bytes_of(std::string_view text) {
  return std::as_bytes(std::span(text.data(), text.size()));
}

std::string field(std::string_view name, uint64_t size, std::string_view more = "") {
  return fmt::format(R"({{"field": "{}", "version_id": 0, "field_exists": false, "size": {}{}}})",
                     name, size, more);
}

std::string optional_field(std::string_view name, uint64_t size) {
  return fmt::format(R"({{"field": "{}", "version_id": 0, "field_exists": true, "size": {}}})",
                     name, size);
}

std::string declaration(std::string_view name, std::string_view fields,
                        std::string_view more = "") {
  return fmt::format(
      R"({{"name": "{}", "version_id": 3, "minimum_version_id": 2, "Fields": [{}]{}}})", name,
      fields, more);
}

Result<VmstateDump> parse(std::string_view description) {
  return VmstateDump::parse(
      fmt::format(R"({{"vmschkmachine": {{"Name": "pc-i440fx-7.2"}}, "type-of-timer": {{"Name": )"
                  R"("type-of-timer", "version_id": 3, "Description": {}}}}})",
                  description));
}

// The device 'timer' in section 'timer' of version 3.
Result<VmdescDevice> describe(std::string_view fields, std::string_view body,
                              std::string_view more = "", uint32_t version = 3) {
  auto dump = parse(declaration("timer", fields, more));
  REQUIRE(dump);
  SectionHeader header;
  header.idstr = "0000:00:01.3/timer";
  header.version_id = version;
  return dump->describe(header, bytes_of(body));
}

std::string reason(const Result<VmdescDevice>& described) {
  REQUIRE_FALSE(described);
  CHECK(described.error().code == Errc::Unsupported);
  return described.error().message;
}

uint64_t number(const VmdescDevice& device, std::string_view body, std::string_view path) {
  auto state = decode_device(device, bytes_of(body), 0);
  CHECK(state.covers_body);
  CHECK(state.problems.empty());
  auto found = find_field(state, path);
  REQUIRE(found.field);
  return found.field->as_unsigned();
}

constexpr std::string_view kNotAddingUp = "the sizes of its fields do not add up to the body's";

}  // namespace

TEST_CASE("fields whose sizes add up to the body describe it") {
  auto body =
      "\x01\x02\x03\0\0\0\x04"
      "abc"sv;
  auto device = describe(
      field("a", 1) + "," + field("b", 2) + "," + field("c", 4) + "," + field("text", 3), body);
  REQUIRE(device);
  CHECK(device->vmsd_name == "timer");
  CHECK(number(*device, body, "b") == 0x0203);
  CHECK(number(*device, body, "c") == 4);
  CHECK(device->fields[3].type == "buffer");
  CHECK(reason(describe(field("a", 1), body)) == kNotAddingUp);
  CHECK(reason(describe(field("a", 16), body)) == kNotAddingUp);
}

TEST_CASE("optional fields are there where only that fits") {
  auto fields = field("a", 1) + "," + optional_field("b", 2) + "," + optional_field("c", 4);
  auto with_c = describe(fields, "\x01\0\0\0\x09"sv);
  REQUIRE(with_c);
  CHECK(with_c->fields.size() == 2);
  CHECK(number(*with_c, "\x01\0\0\0\x09"sv, "c") == 9);
  CHECK(describe(fields, "1234567")->fields.size() == 3);
  CHECK(describe(fields, "1")->fields.size() == 1);
  CHECK(reason(describe(fields, "1234")) == kNotAddingUp);
}

TEST_CASE("two ways that fit are none") {
  auto fields = optional_field("b", 2) + "," + optional_field("c", 2);
  CHECK(reason(describe(fields, "12")) == "the sizes of its fields fit the body in several ways");
  CHECK(describe(fields, "1234"));
}

TEST_CASE("structs, arrays whose length is told, and subsections by their header") {
  auto pair = declaration("pair", field("x", 1) + "," + optional_field("y", 2),
                          R"(, "Subsections": [)" + declaration("pair/more", field("z", 1)) + "]");
  auto fields = field("pairs", 64, R"(, "num": 2, "Description": )" + pair) + "," +
                field("list", 2, R"(, "num": 3)") + "," + field("plain", 1, R"(, "num": 0)");
  auto body =
      "\x01\x05\x09pair/more\0\0\0\x01\x07"
      "\x02\0\x01\0\x02\0\x03\x08"sv;
  auto device = describe(fields, body);
  REQUIRE(device);
  CHECK(number(*device, body, "pairs[1].x") == 2);
  CHECK(number(*device, body, "pairs[0].pair/more.z") == 7);
  CHECK(number(*device, body, "list[2]") == 3);
  CHECK(number(*device, body, "plain") == 8);
}

TEST_CASE("what has no size of its own is opened where its form is known") {
  std::string levels(16, '\0');
  levels[15] = 1;
  auto device = describe(field("pci irq state", 0), levels);
  REQUIRE(device);
  CHECK(number(*device, levels, "pci irq state.intd") == 1);
  CHECK(reason(describe(field("unheard of", 0), levels)) == kNotAddingUp);
}

TEST_CASE("a field that came with a later version is not in the section") {
  auto fields = field("a", 1) + R"(,{"field": "late", "version_id": 3, "size": 2})";
  CHECK(describe(fields, "123", "", 3));
  CHECK(describe(fields, "1", "", 2));
  CHECK(reason(describe(fields, "1", "", 1)) ==
        "the section has version 1, the declaration 2 to 3");
  CHECK(reason(describe(fields, "1", "", 4)) ==
        "the section has version 4, the declaration 2 to 3");
}

TEST_CASE("a declaration is found by whole components of the idstr") {
  auto dump = parse(declaration("timer", field("a", 1)));
  REQUIRE(dump);
  CHECK(dump->machine() == "pc-i440fx-7.2");
  SectionHeader header;
  header.version_id = 3;
  for (auto [idstr, found] : {std::pair("timer", true), {"a/timer", true}, {"xtimer", false}}) {
    header.idstr = idstr;
    CHECK(dump->describe(header, bytes_of("1")).operator bool() == found);
  }
  CHECK(reason(dump->describe(header, bytes_of("1"))) == "no device is declared under this name");
}

TEST_CASE("a search that could go on for ever is given up") {
  std::string fields = optional_field("f", 3);
  for (int i = 0; i < 40; ++i) fields += "," + optional_field("f", 3);
  CHECK(reason(describe(fields, std::string(62, 'x'))) ==
        "its declaration leaves too many ways open to try all");
}

TEST_CASE("structs of nothing, by the thousand and nested, end") {
  std::string nothing = declaration("nothing", "");
  for (int i = 0; i < 4; ++i) {
    nothing = declaration("nothing", field("f", 1, R"(, "num": 65536, "Description": )" + nothing));
  }
  auto fields = field("f", 1, R"(, "num": 65536, "Description": )" + nothing);
  CHECK(reason(describe(fields, "x")) == "its declaration leaves too many ways open to try all");
}

TEST_CASE("what is no dump is refused with the reason") {
  auto reason_of = [](std::string_view json) {
    auto dump = VmstateDump::parse(json);
    REQUIRE_FALSE(dump);
    CHECK(dump.error().code == Errc::Malformed);
    return dump.error().message;
  };
  CHECK(reason_of("{") == "vmstate dump: it is no JSON object");
  CHECK(reason_of("[]") == "vmstate dump: it is no JSON object");
  CHECK(reason_of("{}") == "vmstate dump: it has no 'vmschkmachine'");
  auto reason_in = [](std::string_view description) {
    auto dump = parse(description);
    REQUIRE_FALSE(dump);
    return dump.error().message;
  };
  CHECK(reason_in("{}") == "vmstate dump: a declaration has no name");
  CHECK(reason_in(declaration("d", "{}")) == "vmstate dump: a field has no name");
  CHECK(reason_in(declaration("d", field("f", 1, R"(, "num": 65537)"))) ==
        "vmstate dump: field 'f' has 65537 elements, more than 65536");
  std::string deep = declaration("d", "");
  for (int i = 0; i < 40; ++i)
    deep = declaration("d", field("f", 1, R"(, "Description": )" + deep));
  CHECK(reason_in(deep) == "vmstate dump: 'd' is nested deeper than 32 levels");
}
