// SPDX-License-Identifier: MIT
#include "crypto/openpgp_packets.h"
#include "support/catch.h"

using namespace vmstream;

namespace {

using Bytes = std::vector<std::byte>;

// A head and a body of that many bytes.
Bytes packet(std::initializer_list<unsigned> head, size_t body) {
  Bytes bytes;
  for (unsigned octet : head) bytes.push_back(static_cast<std::byte>(octet));
  bytes.resize(bytes.size() + body, std::byte{0xff});
  return bytes;
}

bool ends_well(std::span<const std::byte> bytes) {
  PacketFrames frames;
  frames.follow(bytes);
  return frames.at_end();
}

}  // namespace

TEST_CASE("packets of every form end where their length says", "[crypto]") {
  for (const Bytes& whole :
       {packet({0x84, 5}, 5), packet({0x85, 1, 4}, 260), packet({0x86, 0, 0, 1, 0}, 256),
        packet({0xd2, 0}, 0), packet({0xd2, 191}, 191), packet({0xd2, 192, 0}, 192),
        packet({0xd2, 223, 255}, 8383), packet({0xd2, 255, 0, 0, 0x21, 0}, 8448)}) {
    CHECK(ends_well(whole));
    for (size_t length = 0; length < whole.size(); ++length) {
      if (ends_well(std::span(whole).first(length))) FAIL(length << " of " << whole.size());
    }
  }
}

TEST_CASE("a packet in parts ends with the part that is the last", "[crypto]") {
  Bytes message = packet({0x85, 0, 3}, 3);
  for (const Bytes& part : {packet({0xd2, 0xe9}, 512), packet({0xe0}, 1), packet({0}, 0)}) {
    CHECK(ends_well(message) == (message.size() == 6));
    message.insert(message.end(), part.begin(), part.end());
  }
  CHECK(ends_well(message));
  PacketFrames frames;
  for (std::byte one : message) frames.follow(std::span(&one, 1));
  CHECK(frames.at_end());
}

TEST_CASE("a packet without a length, and no packet at all, have no end", "[crypto]") {
  CHECK_FALSE(ends_well(packet({0xa3}, 100)));
  CHECK_FALSE(ends_well({}));
}
