// SPDX-License-Identifier: MIT
// Device bodies along their description: every kind of field, and what does not agree.
#include <vmstream/device_state.h>

#include <fmt/format.h>

#include <chrono>

#include "support/catch.h"

using namespace vmstream;

namespace {

// A device with a body, decoded. Owns what the tree points into.
struct Decoded {
  Vmdesc description;
  std::vector<std::byte> body;
  DeviceState state;

  const DeviceField& field(size_t number) const { return state.fields.at(number); }
};

constexpr uint64_t kBodyOffset = 100;

Decoded decode(std::string_view fields, std::string_view body, std::string_view more = "",
               DescriptionTrust trust = DescriptionTrust::Own) {
  auto description = Vmdesc::parse(
      fmt::format(R"({{"page_size": 4096, "devices": [{{"name": "d", "instance_id": 0,)"
                  R"( "vmsd_name": "d", "version": 1, "fields": [{}]{}}}]}})",
                  fields, more));
  REQUIRE(description);
  Decoded decoded{std::move(*description), {}, {}};
  for (char letter : body) decoded.body.push_back(static_cast<std::byte>(letter));
  decoded.state =
      decode_device(decoded.description.devices().at(0), decoded.body, kBodyOffset, trust);
  return decoded;
}

std::string only_problem(const Decoded& decoded) {
  REQUIRE(decoded.state.problems.size() == 1);
  return decoded.state.problems[0].message;
}

using namespace std::literals;

constexpr std::string_view kPair =
    R"({"vmsd_name": "p", "version": 1, "fields": [{"name": "a", "type": "uint8", "size": 1},)"
    R"( {"name": "b", "type": "uint16", "size": 2}]})";

}  // namespace

TEST_CASE("scalars have the value of their type") {
  auto decoded = decode(R"({"name": "u", "type": "uint16", "size": 2},)"
                        R"({"name": "s", "type": "int32 le", "size": 4},)"
                        R"({"name": "e", "type": "uint8 equal", "size": 1},)"
                        R"({"name": "t", "type": "timer", "size": 8},)"
                        R"({"name": "d", "type": "CPU_Double_U", "size": 8},)"
                        R"({"name": "m", "type": "bitmap", "size": 16},)"
                        R"({"name": "c", "type": "capability", "size": 3},)"
                        R"({"name": "odd", "type": "uint32", "size": 3})",
                        "\x01\x02\xff\xff\xff\xfe\xf0"
                        "\xff\xff\xff\xff\xff\xff\xff\xff"
                        "\x3f\xf8\0\0\0\0\0\0"
                        "\0\0\0\0\0\0\0\x01\0\0\0\0\0\x01\0\x0f"
                        "\x02xy123"sv);
  CHECK(decoded.state.problems.empty());
  CHECK(decoded.field(0).as_unsigned() == 0x0102);
  CHECK(decoded.field(1).as_signed() == -2);
  CHECK(decoded.field(1).offset == kBodyOffset + 2);
  CHECK(decoded.field(2).as_unsigned() == 0xf0);
  CHECK(decoded.field(3).kind == ValueKind::Timer);
  CHECK(decoded.field(3).as_signed() == -1);
  CHECK(decoded.field(4).as_real() == 1.5);
  CHECK(decoded.field(5).as_bit_ranges() == "0-3,16");
  CHECK(decoded.field(6).as_text() == "xy");
  CHECK(decoded.field(7).kind == ValueKind::Bytes);
}

TEST_CASE("arrays of scalars are one field, arrays of structs a list") {
  auto decoded = decode(
      fmt::format(R"({{"name": "n", "array_len": 3, "type": "int8", "size": 1}},)"
                  R"({{"name": "s", "array_len": 2, "type": "struct", "struct": {}, "size": 3}})",
                  kPair),
      "\x01\xff\x03"
      "\x0a\x00\x0b\x0c\x00\x0d"sv);
  CHECK(decoded.state.covers_body);
  CHECK(decoded.field(0).array_len == 3u);
  CHECK(decoded.field(0).element(1).as_signed() == -1);
  CHECK(decoded.field(0).element(2).offset == kBodyOffset + 2);
  const DeviceField& list = decoded.field(1);
  REQUIRE(list.fields.size() == 2);
  CHECK(list.size() == 6);
  CHECK(list.fields[1].index == 1u);
  CHECK(list.fields[1].vmsd_name == "p");
  CHECK(list.fields[1].fields[1].as_unsigned() == 0x0d);
}

TEST_CASE("entries of one name are elements of one array") {
  // The last one has no index in some releases; runs of NULL stand between others.
  auto decoded =
      decode(fmt::format(R"({{"name": "i", "index": 0, "type": "uint8", "size": 1}},)"
                         R"({{"name": "i", "type": "uint8", "size": 1}},)"
                         R"({{"name": "p", "array_len": 2, "type": "nullptr", "size": 1}},)"
                         R"({{"name": "p", "type": "struct", "struct": {}, "size": 3}},)"
                         R"({{"name": "p", "type": "nullptr", "size": 1}})",
                         kPair),
             "\x05\x06"
             "00\x01\x00\x02"
             "0"sv);
  CHECK(decoded.state.problems.empty());
  REQUIRE(decoded.state.fields.size() == 2);
  CHECK(decoded.field(0).fields[1].as_unsigned() == 6);
  REQUIRE(decoded.field(1).fields.size() == 4);
  CHECK(decoded.field(1).fields[0].kind == ValueKind::Null);
  CHECK(decoded.field(1).fields[2].fields[1].as_unsigned() == 2);
  CHECK(decoded.field(1).fields[3].index == 3u);
  CHECK(decoded.field(1).size() == 6);
}

TEST_CASE("lists and trees describe their elements in the field itself") {
  constexpr std::string_view kElement =
      R"("vmsd_name": "e", "version": 1, "fields": [{"name": "x", "type": "uint8", "size": 1}])";
  auto list =
      decode(fmt::format(R"({{"name": "q", "type": "qtailq", {0}, {0}, "size": 5}})", kElement),
             "\x01\x07\x01\x08\x00"sv);
  CHECK(list.state.problems.empty());
  REQUIRE(list.field(0).fields.size() == 2);
  CHECK(list.field(0).fields[1].fields[0].as_unsigned() == 8);

  auto tree = decode(fmt::format(R"({{"name": "t", "type": "gtree", {0}, "size": 15}})", kElement),
                     "\0\0\0\x01\x01\0\0\0\0\0\0\0\x2a\x09\0"sv);
  CHECK(tree.state.problems.empty());
  REQUIRE(tree.field(0).fields.size() == 2);
  CHECK(tree.field(0).fields[0].as_unsigned() == 42);
  CHECK(tree.field(0).fields[1].fields[0].as_unsigned() == 9);

  auto empty = decode(R"({"name": "q", "type": "qlist", "size": 1})", "\0"sv);
  CHECK(empty.state.problems.empty());
  CHECK(empty.field(0).kind == ValueKind::List);

  auto broken =
      decode(fmt::format(R"({{"name": "q", "type": "qtailq", {0}, "size": 3}})", kElement),
             "\x02\x07\x00"sv);
  CHECK(only_problem(broken) ==
        "device 'd': field 'q': its elements do not agree with their description");
  CHECK(broken.field(0).kind == ValueKind::Bytes);
  CHECK(broken.field(0).size() == 3);
}

TEST_CASE("tmp and vstruct are structs") {
  auto decoded =
      decode(R"({"name": "tmp", "type": "tmp", "vmsd_name": "v", "version": 1, "fields":)"
             R"( [{"name": "m", "type": "uint8", "size": 1}], "size": 1})",
             "\x09"sv);
  CHECK(decoded.field(0).kind == ValueKind::Struct);
  CHECK(decoded.field(0).fields[0].as_unsigned() == 9);
}

TEST_CASE("the size of a struct goes before the sum of its fields") {
  auto decoded = decode(fmt::format(R"({{"name": "s", "type": "struct", "struct": {}, "size": 4}},)"
                                    R"({{"name": "z", "type": "uint8", "size": 1}})",
                                    kPair),
                        "\x01\x00\x02\xee\x05"sv);
  CHECK(only_problem(decoded) ==
        "device 'd': field 's': it is described with 4 bytes, its fields take 3");
  CHECK(decoded.field(1).as_unsigned() == 5);
}

TEST_CASE("a body that is too short or too long is a problem at its place") {
  auto cut = decode(R"({"name": "a", "type": "uint8", "size": 1},)"
                    R"({"name": "b", "type": "uint32", "size": 4})",
                    "\x01\x02"sv);
  CHECK(only_problem(cut) == "device 'd': field 'b': it is described with 4 bytes, 1 are left");
  CHECK(cut.state.problems[0].offset == kBodyOffset + 1);
  CHECK(cut.field(1).size() == 1);

  auto longer = decode(R"({"name": "a", "type": "uint8", "size": 1})", "\x01\x02\x03"sv);
  CHECK(only_problem(longer) == "device 'd': 2 bytes follow the last field described");
  CHECK(longer.field(1).name == kUndescribed);
  CHECK_FALSE(longer.state.covers_body);
}

TEST_CASE("elements that old releases do not describe are a known flaw") {
  auto decoded =
      decode(R"({"name": "css", "array_len": 3, "type": "struct", "struct": {}, "size": 1},)"
             R"({"name": "z", "type": "uint8", "size": 1})",
             "0abcde0\x05"sv);
  REQUIRE(decoded.state.problems.size() == 1);
  CHECK(decoded.state.problems[0].known_flaw);
  CHECK(decoded.field(0).size() == 7);
  CHECK(decoded.field(1).as_unsigned() == 5);
}

TEST_CASE("subsections are taken by their whole header only") {
  constexpr std::string_view kMore =
      R"(, "subsections": [{"vmsd_name": "d/s", "version": 2, "fields":)"
      R"( [{"name": "x", "type": "uint8", "size": 1}]}])";
  constexpr std::string_view kField = R"({"name": "a", "type": "uint8", "size": 1})";
  auto good = decode(kField,
                     "\x01\x05\x03"
                     "d/s\0\0\0\x02\x07"sv,
                     kMore);
  CHECK(good.state.problems.empty());
  REQUIRE(good.state.subsections.size() == 1);
  CHECK(good.state.subsections[0].offset == kBodyOffset + 1);
  CHECK(good.state.subsections[0].size == 10);
  CHECK(find_field(good.state, "d/s.x").field->as_unsigned() == 7);

  auto other = decode(kField,
                      "\x01\x05\x03"
                      "d/t\0\0\0\x02\x07"sv,
                      kMore);
  CHECK(other.state.subsections.empty());
  CHECK(other.state.problems.size() == 2);

  auto version = decode(kField,
                        "\x01\x05\x03"
                        "d/s\0\0\0\x03\x07"sv,
                        kMore);
  CHECK(only_problem(version) == "device 'd': subsection 'd/s' has version 3, described as 2");

  auto foreign = decode(kField, "\x01"sv, kMore, DescriptionTrust::Foreign);
  CHECK(foreign.state.problems.empty());
}

TEST_CASE("names with dots and brackets are found, the longest first") {
  auto decoded =
      decode(fmt::format(R"({{"name": "env", "type": "struct", "struct": {}, "size": 3}},)"
                         R"({{"name": "env.a", "type": "uint8", "size": 1}},)"
                         R"({{"name": "bus[0].ifs", "array_len": 2, "type": "uint8", "size": 1}})",
                         kPair),
             "\x01\x00\x02\x03\x04\x05"sv);
  CHECK(find_field(decoded.state, "env.a").field->as_unsigned() == 3);
  CHECK(find_field(decoded.state, "env.b").field->as_unsigned() == 2);
  CHECK(find_field(decoded.state, "bus[0].ifs[1]").field->as_unsigned() == 5);
  CHECK_FALSE(find_field(decoded.state, "bus[0].ifs[2]"));
  CHECK_FALSE(find_field(decoded.state, "bus[0].ifs[99999999999999999999]"));
  CHECK_FALSE(find_field(decoded.state, ""));
}

TEST_CASE("a description that asks for endless elements gets bytes") {
  auto decoded = decode(
      R"({"name": "s", "array_len": 1099511627776, "type": "struct", "struct": {"vmsd_name": "p",)"
      R"( "version": 1, "fields": [{"name": "n", "type": "buffer", "size": 0}]}, "size": 0})",
      "");
  REQUIRE(decoded.state.fields.size() == 1);
  CHECK(decoded.field(0).fields.empty());
}

// What is summed up or walked anew for each of many is quadratic: a minute and more, where this
// takes a part of a second.
TEST_CASE("many fields that may hide elements take a time that grows with their number") {
  constexpr size_t kFields = 80'000;
  std::string fields;
  for (size_t i = 0; i < kFields; ++i) {
    fields += fmt::format(R"({}{{"name": "p{}", "type": "struct", "size": 1, "array_len": 2}})",
                          i == 0 ? "" : ",", i);
  }
  auto start = std::chrono::steady_clock::now();
  auto decoded = decode(fields, std::string(2 * kFields, '0'));
  CHECK(std::chrono::steady_clock::now() - start < 20s);
  CHECK(decoded.state.fields.size() == kFields);
  CHECK(decoded.state.problems.empty());
}

TEST_CASE("elements are walked no oftener than there may be nodes") {
  constexpr size_t kElements = 200'000;
  std::string inside;
  SECTION("fields without elements") {
    for (size_t i = 0; i < kElements; ++i) {
      inside += R"({"name": "n", "type": "uint8", "size": 1, "array_len": 0},)";
    }
  }
  SECTION("a sum over fields of which the first is too long") {
    inside = R"({"name": "n", "type": "struct", "size": 1, "array_len": 2},)";
    for (size_t i = 0; i < kElements; ++i) inside += R"({"name": "n", "type": "x", "size": 9},)";
  }
  auto fields = fmt::format(R"({{"name": "s", "type": "struct", "size": 1, "array_len": {},)"
                            R"( "struct": {{"vmsd_name": "s", "version": 1, "fields": [{}]}}}})",
                            kElements, inside + R"({"name": "u", "type": "uint8", "size": 1})");
  auto start = std::chrono::steady_clock::now();
  auto decoded = decode(fields, std::string(kElements, '0'));
  CHECK(std::chrono::steady_clock::now() - start < 20s);
  CHECK_FALSE(decoded.state.covers_body);
}

TEST_CASE("a body cut anywhere is decoded as far as it goes") {
  constexpr std::string_view kElement =
      R"("vmsd_name": "e", "version": 1, "fields": [{"name": "x", "type": "uint8", "size": 1}])";
  std::string fields =
      fmt::format(R"({{"name": "q", "type": "qtailq", {0}, {0}, "size": 5}},)"
                  R"({{"name": "s", "array_len": 2, "type": "struct", "struct": {1}, "size": 3}},)"
                  R"({{"name": "t", "type": "gtree", {0}, "size": 15}})",
                  kElement, kPair);
  std::string body =
      "\x01\x07\x01\x08\x00\x0a\x00\x0b\x0c\x00\x0d\0\0\0\x01\x01\0\0\0\0\0\0\0\x2a\x09\0"s;
  CHECK(decode(fields, body).state.problems.empty());
  for (size_t length = 0; length < body.size(); ++length) {
    CHECK_FALSE(decode(fields, body.substr(0, length)).state.problems.empty());
  }
}
