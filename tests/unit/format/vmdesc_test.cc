// SPDX-License-Identifier: MIT
// The description: what it holds, its quirks, and what is refused.
#include <vmstream/vmdesc.h>

#include <fmt/format.h>

#include "support/catch.h"
#include "support/stream_builder.h"

using namespace vmstream;
using namespace testing;

namespace {

std::string with_fields(std::string_view fields, std::string_view more = "") {
  return fmt::format(
      R"({{"page_size": 4096, "devices": [{{"name": "d", "instance_id": 0, "vmsd_name": "d",)"
      R"( "version": 3, "fields": [{}]{}}}]}})",
      fields, more);
}

VmdescDevice device_of(const std::string& json) {
  auto description = Vmdesc::parse(json);
  INFO((description ? "" : description.error().message));
  REQUIRE(description);
  REQUIRE(description->devices().size() == 1);
  return description->devices()[0];
}

std::string error_of(const std::string& json) {
  auto description = Vmdesc::parse(json);
  REQUIRE_FALSE(description);
  CHECK(description.error().code == Errc::Malformed);
  return description.error().message;
}

}  // namespace

TEST_CASE("devices are found by name and instance") {
  auto description = Vmdesc::parse(
      R"({"configuration": {"vmsd_name": "configuration", "fields": []}, "page_size": 8192,)"
      R"( "devices": [{"name": "dma", "instance_id": 0, "size": 4, "fields":)"
      R"( [{"name": "data", "size": 4, "type": "buffer"}]},)"
      R"( {"name": "dma", "instance_id": 1, "fields": []},)"
      R"( {"name": "spapr_iommu", "instance_id": -2147483648, "fields": []}]})");
  REQUIRE(description);
  CHECK(description->page_size() == 8192);
  REQUIRE(description->find("dma", 0));
  CHECK(description->find("dma", 0)->body_length() == 4);
  CHECK(description->find("dma", 1)->body_length() == 0);
  CHECK(description->find("spapr_iommu", 0x80000000u));
  CHECK_FALSE(description->find("dma", 2));
  CHECK_FALSE(description->find("dm", 0));
}

TEST_CASE("words that no QEMU writes are flaws, and new ones are not") {
  auto flaws = [](const std::string& json) {
    auto description = Vmdesc::parse(json);
    INFO(json);
    REQUIRE(description);
    return fmt::format("{}", fmt::join(description->flaws(), "; "));
  };
  auto field = [&](std::string_view text) { return flaws(with_fields(text)); };
  CHECK(field(R"({"name": "a[1].b-c", "type": "uint32", "size": 4, "array_len": 2})") == "");
  CHECK(field(R"({"name": "a", "type": "novelty", "size": 4, "unit": 3})") == "");
  CHECK(field(R"({"name": "a", "type": "uint36", "size": 4})") ==
        "'d': field 'a' has the type 'uint36', which no QEMU has");
  CHECK(field(R"({"name": "a", "type": "buffdr", "size": 4})") ==
        "'d': field 'a' has the type 'buffdr', which no QEMU has");
  CHECK(field(R"({"namd": "a", "type": "buffer", "size": 4})") ==
        "'d': no QEMU writes the key 'namd'");
  CHECK(field(R"({"name": "a{", "type": "buffer", "size": 4})") ==
        "'d': the name of field 'a{' holds characters that no QEMU uses");
  CHECK(
      field(R"({"name": "a", "type": "struct", "strucu": {"fields": []}, "size": 4})") ==
      "'d': no QEMU writes the key 'strucu'; 'd': field 'a' is a struct of 4 bytes without fields");
  // A pointer that is null, and a struct of nothing.
  CHECK(field(R"({"name": "a", "type": "struct", "struct": {"fields": []}, "size": 1})") == "");
  CHECK(field(R"({"name": "a", "type": "struct", "struct": {"fields": []}, "size": 0})") == "");

  auto device = [&](std::string_view text) {
    return flaws(fmt::format(R"({{"devices": [{{{}, "fields": []}}]}})", text));
  };
  CHECK(device(R"("name": "0000:00:01.0/d", "vmsd_name": "d", "instance_id": 0)") == "");
  CHECK(device(R"("name": "d", "vmsd_name": "d", "instance": 0)") == "'d': it has no instance id");
  CHECK(device(R"("name": "d", "vmsd_name": "e", "instance_id": 0)") ==
        "'d': it does not end with the name 'e' of what it describes");

  std::string many;
  for (int i = 0; i < 40; ++i) many += R"({"name": "a", "type": "uint36", "size": 4},)";
  auto description = Vmdesc::parse(with_fields(many.substr(0, many.size() - 1)));
  REQUIRE(description);
  CHECK(description->flaws().size() == Vmdesc::kFlawsKept);
}

TEST_CASE("fields, arrays, structs and subsections add up") {
  auto device = device_of(with_fields(
      R"({"name": "a", "type": "uint32", "size": 4},)"
      R"({"name": "b", "array_len": 3, "type": "uint16", "size": 2},)"
      R"({"name": "s", "type": "struct", "struct": {"vmsd_name": "in", "version": 2, "fields":)"
      R"( [{"name": "x", "index": 1, "type": "uint8", "size": 1}]}, "size": 1})",
      R"(, "subsections": [{"vmsd_name": "d/sub", "version": 1, "fields":)"
      R"( [{"name": "y", "type": "uint64", "size": 8}], "subsections": [)"
      R"({"vmsd_name": "d/sub/deep", "version": 1, "fields": []}]}])"));
  CHECK(device.body_length() == 4 + 6 + 1 + (6 + 5 + 8) + (6 + 10));
  CHECK(device.version == 3);
  CHECK(device.field_count() == 3);
  CHECK(device.subsection_count() == 1);
  CHECK(device.fields[1].array_len == 3);
  CHECK(device.fields[2].vmsd_name == "in");
  CHECK(device.fields[2].version == 2);
  CHECK(device.fields[2].fields[0].index == 1u);
  CHECK(device.subsections[0].subsections[0].vmsd_name == "d/sub/deep");
}

TEST_CASE("repeated keys within the entry of a list are all kept") {
  auto device = device_of(with_fields(
      R"({"name": "q", "type": "qtailq", "vmsd_name": "e", "version": 1, "fields":)"
      R"( [{"name": "x", "type": "uint8", "size": 1}], "vmsd_name": "e", "version": 1, "fields":)"
      R"( [{"name": "x", "type": "uint8", "size": 1}], "size": 5})"));
  CHECK(device.fields[0].fields.size() == 2);
  CHECK(device.body_length() == 5);
}

TEST_CASE("what is no description is refused with the reason") {
  CHECK(error_of("") == "vmdesc: it is no JSON from byte 1 on");
  CHECK(error_of("{\"devices\": [") == "vmdesc: it is no JSON from byte 14 on");
  CHECK(error_of("[]") == "vmdesc: it is no object");
  CHECK(error_of("3") == "vmdesc: it is no object");
  CHECK(error_of(R"({"page_size": 5000000000})") ==
        "vmdesc: 'page_size' is 5000000000, wider than 32 bits");
  CHECK(error_of(R"({"devices": [{"fields": []}]})") == "vmdesc: a device has no name");
  CHECK(error_of(with_fields(R"({"name": "a", "size": -4})")) == "vmdesc: 'size' is -4, negative");
}

TEST_CASE("sizes that overflow, and nesting without end, are refused") {
  CHECK(error_of(
            with_fields(
                R"({"name": "a", "array_len": 9000000000000000000, "size": 9000000000000000000})"))
            .ends_with("add up to more than 64 bits hold"));
  CHECK(error_of(with_fields(R"({"name": "a", "size": 18446744073709551615}, {"size": 1})"))
            .ends_with("add up to more than 64 bits hold"));
  std::string deep;
  for (int i = 0; i < 1000; ++i) deep += R"({"fields": [)";
  CHECK(error_of(with_fields(deep)) == "vmdesc: it is nested deeper than 128 levels");
}

TEST_CASE("the devices in front of a fault are read, with the reason why no more are") {
  std::string first = R"({"name": "a", "instance_id": 3, "fields": [{"name": "x", "size": 2}]})";
  auto damaged =
      Vmdesc::read(R"({"page_size": 8192, "devices": [)" + first + R"(, {"name": "b", ?)");
  REQUIRE(damaged.fault());
  CHECK(damaged.fault()->message == "vmdesc: it is no JSON from byte 118 on");
  CHECK(damaged.page_size() == 8192);
  REQUIRE(damaged.devices().size() == 1);
  REQUIRE(damaged.find("a", 3));
  CHECK(damaged.find("a", 3)->body_length() == 2);

  auto nameless = Vmdesc::read(R"({"page_size": 8192, "devices": [{"fields": []}]})");
  REQUIRE(nameless.fault());
  CHECK(nameless.fault()->message == "vmdesc: a device has no name");
  CHECK(nameless.page_size() == 0);
  CHECK_FALSE(Vmdesc::read(R"({"devices": []})").fault());
}

TEST_CASE("a description that is cut anywhere is refused") {
  auto json = small_vmdesc();
  for (size_t length = 0; length < json.size(); ++length) {
    CHECK_FALSE(Vmdesc::parse(json.substr(0, length)));
  }
}
