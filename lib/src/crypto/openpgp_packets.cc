// SPDX-License-Identifier: MIT
#include "crypto/openpgp_packets.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <limits>
#include <optional>
#include <string>
#include <string_view>

#include <vmstream/openpgp.h>
#include "base/byte_reader.h"

namespace vmstream {
namespace {

enum class Tag : uint8_t {
  SessionKey = 1,
  Signature = 2,
  PassphraseKey = 3,
  OnePass = 4,
  Compressed = 8,
  Literal = 11,
};

constexpr uint8_t kPacketBit = 0x80;
constexpr uint8_t kNewForm = 0xc0;
constexpr uint8_t kPartial = 0xe0;
constexpr size_t kOneByteLengths = 192;
constexpr size_t kTwoByteLengths = 8384;

std::byte tag_byte(Tag tag) {
  return std::byte{static_cast<uint8_t>(kNewForm | static_cast<uint8_t>(tag))};
}

void append(std::vector<std::byte>& bytes, uint64_t value, unsigned count) {
  while (count-- > 0) bytes.push_back(static_cast<std::byte>(value >> (8 * count)));
}

// Reads the tag and steps over the length, which may be in the old form or the new.
uint8_t read_packet_head(ByteReader& in) {
  auto first = in.be<uint8_t>("packet tag");
  if ((first & kNewForm) == kNewForm) {
    auto length = in.be<uint8_t>("packet length");
    bool is_partial = length >= kPartial && length < 0xff;
    if (length >= kOneByteLengths && !is_partial) in.bytes(length == 0xff ? 4 : 1, "packet length");
    return first & 0x3f;
  }
  constexpr unsigned kIndeterminate = 3;
  unsigned form = first & 3u;
  if (form != kIndeterminate) in.bytes(size_t{1} << form, "packet length");
  return static_cast<uint8_t>((first >> 2) & 0x0f);
}

// The key id is the end of a fingerprint of version 4, the front of a longer one.
Result<uint64_t> key_id_of(std::string_view fingerprint) {
  constexpr size_t kDigits = 16;
  constexpr size_t kVersion4Digits = 40;
  if (fingerprint.size() < kVersion4Digits) {
    return Error{Errc::Environment, "signing: gpg named no key"};
  }
  auto digits = fingerprint.size() == kVersion4Digits
                    ? fingerprint.substr(kVersion4Digits - kDigits)
                    : fingerprint.substr(0, kDigits);
  uint64_t id = 0;
  std::from_chars(digits.data(), digits.data() + digits.size(), id, 16);
  return id;
}

std::optional<OpenPgpKind> kind_of_packets(std::span<const std::byte> head) {
  if (head.empty() || (std::to_integer<uint8_t>(head[0]) & kPacketBit) == 0) return std::nullopt;
  ByteReader in(head);
  auto tag = static_cast<Tag>(read_packet_head(in));
  auto version = in.be<uint8_t>("version");  // or the algorithm of what is compressed
  if (!in.ok()) return std::nullopt;
  switch (tag) {
    case Tag::SessionKey:
      if (version == 3 || version == 6) return OpenPgpKind::Encrypted;
      break;
    case Tag::PassphraseKey:
      if (version >= 4 && version <= 6) return OpenPgpKind::Encrypted;
      break;
    case Tag::OnePass:
      if (version == 3 || version == 6) return OpenPgpKind::Signed;
      break;
    case Tag::Signature:
      if (version >= 3 && version <= 6) return OpenPgpKind::Signed;
      break;
    case Tag::Compressed:
      if (version >= 1 && version <= 3) return OpenPgpKind::Signed;
      break;
    case Tag::Literal:
      break;
  }
  return std::nullopt;
}

// The bytes that the first line of base64 in `text` stands for.
std::vector<std::byte> decode_line(std::string_view text) {
  constexpr std::string_view kDigits =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::vector<std::byte> bytes;
  uint32_t bits = 0;
  unsigned count = 0;
  for (char c : text) {
    size_t digit = kDigits.find(c);
    if (digit == std::string_view::npos) break;
    bits = bits << 6 | static_cast<uint32_t>(digit);
    count += 6;
    if (count < 8) continue;
    count -= 8;
    bytes.push_back(static_cast<std::byte>(bits >> count));
  }
  return bytes;
}

// Armor: a title, headers with a colon in them, an empty line, base64.
std::optional<OpenPgpKind> kind_of_armor(std::string_view text) {
  constexpr std::string_view kTitle = "-----BEGIN PGP MESSAGE";
  if (!text.starts_with(kTitle)) return std::nullopt;
  while (true) {
    size_t end = text.find('\n');
    if (end == std::string_view::npos) return std::nullopt;
    text.remove_prefix(end + 1);
    size_t words = text.find_first_not_of(" \t\r");
    if (words != std::string_view::npos && text[words] == '\n') {
      return kind_of_packets(decode_line(text.substr(words + 1)));
    }
  }
}

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

Result<SignaturePacket> parse_signature(std::vector<std::byte> bytes,
                                        std::string_view fingerprint) {
  auto key_id = key_id_of(fingerprint);
  if (!key_id) return key_id.error();
  SignaturePacket packet{.bytes = std::move(bytes), .key_id = *key_id};
  ByteReader in(packet.bytes);
  read_packet_head(in);
  auto version = in.be<uint8_t>("version");
  packet.type = in.be<uint8_t>("type");
  packet.key_algorithm = in.be<uint8_t>("key algorithm");
  packet.hash_algorithm = in.be<uint8_t>("hash algorithm");
  if (in.ok() && version >= 4 && version <= 6) return packet;
  return Error{Errc::Unsupported,
               fmt::format("signing: gpg made a signature of version {}, wanted 4 to 6", version)};
}

std::vector<std::byte> one_pass_packet(const SignaturePacket& signature) {
  constexpr unsigned kVersion = 3;
  constexpr unsigned kLastSignature = 1;
  constexpr unsigned kBodyBytes = 13;
  std::vector<std::byte> bytes{tag_byte(Tag::OnePass)};
  append(bytes, kBodyBytes, 1);
  append(bytes, kVersion, 1);
  append(bytes, signature.type, 1);
  append(bytes, signature.hash_algorithm, 1);
  append(bytes, signature.key_algorithm, 1);
  append(bytes, signature.key_id, 8);
  append(bytes, kLastSignature, 1);
  return bytes;
}

std::array<std::byte, 1> literal_tag() {
  return {tag_byte(Tag::Literal)};
}

std::array<std::byte, 6> literal_head() {
  return {std::byte{'b'}};  // then the name's length and four bytes of date, all zero
}

std::array<std::byte, 1> part_length() {
  return {std::byte{kPartial | kPartExponent}};
}

std::vector<std::byte> last_length(size_t count) {
  std::vector<std::byte> bytes;
  if (count < kOneByteLengths) {
    append(bytes, count, 1);
  } else if (count < kTwoByteLengths) {
    append(bytes, (kOneByteLengths << 8) + count - kOneByteLengths, 2);
  } else {
    append(bytes, 0xff, 1);
    append(bytes, count, 4);
  }
  return bytes;
}

std::optional<OpenPgpKind> recognise_openpgp(std::span<const std::byte> head) {
  if (auto kind = kind_of_packets(head)) return kind;
  return kind_of_armor({reinterpret_cast<const char*>(head.data()), head.size()});
}

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
