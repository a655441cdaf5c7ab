// SPDX-License-Identifier: MIT
#include "crypto/packet_frames.h"

#include <algorithm>
#include <limits>
#include <optional>

namespace vmstream {
namespace {

struct Length {
  uint64_t bytes = 0;
  bool more_follows = false;
};

uint64_t big_endian(std::span<const uint8_t> octets) {
  uint64_t value = 0;
  for (uint8_t octet : octets) value = value << 8 | octet;
  return value;
}

// Nothing while the octets are too few.
std::optional<Length> new_form_length(std::span<const uint8_t> octets) {
  if (octets.empty()) return std::nullopt;
  uint8_t first = octets[0];
  if (first < 192) return Length{first};
  if (first >= 224 && first < 255) return Length{uint64_t{1} << (first & 0x1f), true};
  size_t count = first == 255 ? 5 : 2;
  if (octets.size() < count) return std::nullopt;
  if (count == 5) return Length{big_endian(octets.subspan(1, 4))};
  return Length{((first - 192U) << 8) + octets[1] + 192U};
}

std::optional<Length> old_form_length(uint8_t tag, std::span<const uint8_t> octets) {
  constexpr unsigned kUpToTheEnd = 3;  // whose end shows nowhere
  unsigned form = tag & 3U;
  if (form == kUpToTheEnd) return Length{std::numeric_limits<uint64_t>::max()};
  size_t count = size_t{1} << form;
  if (octets.size() < count) return std::nullopt;
  return Length{big_endian(octets.first(count))};
}

bool is_new_form(uint8_t tag) {
  return (tag & 0x40) != 0;
}

}  // namespace

void PacketFrames::follow(std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    begun_ = true;
    size_t count = 1;
    if (body_left_ > 0) {
      count = static_cast<size_t>(std::min<uint64_t>(body_left_, bytes.size()));
      body_left_ -= count;
    } else {
      take_head(std::to_integer<uint8_t>(bytes[0]));
    }
    bytes = bytes.subspan(count);
  }
}

void PacketFrames::take_head(uint8_t octet) {
  head_.push_back(octet);
  std::span<const uint8_t> octets(head_);
  auto length = in_parts_                ? new_form_length(octets)
                : is_new_form(octets[0]) ? new_form_length(octets.subspan(1))
                                         : old_form_length(octets[0], octets.subspan(1));
  if (!length) return;
  body_left_ = length->bytes;
  in_parts_ = length->more_follows;
  head_.clear();
}

}  // namespace vmstream
