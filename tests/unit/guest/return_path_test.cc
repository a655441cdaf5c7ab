// SPDX-License-Identifier: MIT
#include "guest/lazy/postcopy_channel.h"

#include <algorithm>

#include "format/records/records.h"
#include "support/catch.h"

using namespace vmstream;

namespace {

// One message of every type, as QEMU spells them.
Bytes every_message() {
  Bytes bytes;
  auto head = [&bytes](uint16_t type, uint16_t length) {
    append_be(bytes, type);
    append_be(bytes, length);
  };
  head(2, 4);
  append_be(bytes, uint32_t{1});
  head(3, 13 + 6);
  append_be(bytes, uint64_t{0x5000});
  append_be(bytes, uint32_t{0x1000});
  REQUIRE(append_counted_string(bytes, "pc.ram"));
  head(4, 12);
  append_be(bytes, uint64_t{0x9000});
  append_be(bytes, uint32_t{0x2000});
  head(5, 1 + 3);
  REQUIRE(append_counted_string(bytes, "vga"));
  append_be(bytes, uint64_t{8});
  append_be(bytes, uint64_t{0xff00000000000000});
  append_be(bytes, uint64_t{0x0123456789abcdef});
  head(6, 4);
  append_be(bytes, uint32_t{1});
  head(7, 0);
  head(1, 4);
  append_be(bytes, uint32_t{0});
  return bytes;
}

std::string fault_of(const Bytes& bytes) {
  ReturnPathReader reader;
  reader.append(bytes);
  auto message = reader.take();
  REQUIRE_FALSE(message);
  CHECK(message.error().code == Errc::Environment);
  return message.error().message;
}

}  // namespace

TEST_CASE("messages are read in pieces of any size", "[guest][lazy]") {
  Bytes bytes = every_message();
  size_t piece = GENERATE(size_t{1}, size_t{5}, size_t{1000});
  ReturnPathReader reader;
  std::vector<ReturnMessage> messages;
  for (size_t at = 0; at < bytes.size(); at += piece) {
    reader.append(std::span(bytes).subspan(at, std::min(piece, bytes.size() - at)));
    for (auto next = reader.take(); next && *next; next = reader.take()) {
      messages.push_back(std::move(**next));
    }
  }
  REQUIRE(messages.size() == 7);
  CHECK(messages[0].type == ReturnType::Pong);
  CHECK(messages[0].value == 1);
  CHECK(messages[1].block == "pc.ram");
  CHECK(messages[1].start == 0x5000);
  CHECK(messages[2].block == "pc.ram");  // named by the request before
  CHECK(messages[2].start == 0x9000);
  CHECK(messages[2].length == 0x2000);
  CHECK(messages[3].block == "vga");
  REQUIRE(messages[3].bitmap.size() == 8);
  CHECK(messages[3].bitmap[0] == std::byte{0xff});
  CHECK(messages[4].type == ReturnType::ResumeAck);
  CHECK(messages[5].type == ReturnType::SwitchoverAck);
  CHECK(messages[6].type == ReturnType::Shut);
}

TEST_CASE("what no QEMU says is refused", "[guest][lazy]") {
  Bytes bytes;
  SECTION("unknown type") {
    append_be(bytes, uint32_t{0x00090000});
    CHECK(fault_of(bytes) == "QEMU's return path: unknown message 9");
  }
  SECTION("too short for its type") {
    append_be(bytes, uint32_t{0x00020002});
    append_be(bytes, uint16_t{0});
    CHECK(fault_of(bytes) == "QEMU's return path: value needs 4 bytes, 2 left");
  }
  SECTION("too long for its type") {
    append_be(bytes, uint32_t{0x00070001});
    append_be(bytes, uint8_t{0});
    CHECK(fault_of(bytes) == "QEMU's return path: message 7 is 1 bytes too long");
  }
  SECTION("a bitmap without end") {
    append_be(bytes, uint32_t{0x00050002});
    REQUIRE(append_counted_string(bytes, "a"));
    append_be(bytes, uint64_t{1} << 40);
    CHECK(fault_of(bytes).find("a bitmap of 1099511627776 bytes") != std::string::npos);
  }
  SECTION("a bitmap that ends otherwise") {
    append_be(bytes, uint32_t{0x00050002});
    REQUIRE(append_counted_string(bytes, "a"));
    append_be(bytes, uint64_t{0});
    append_be(bytes, uint64_t{1});
    CHECK(fault_of(bytes).find("bitmap ends with 0x1") != std::string::npos);
  }
}
