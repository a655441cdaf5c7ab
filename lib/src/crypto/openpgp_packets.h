// SPDX-License-Identifier: MIT
// The few packets of OpenPGP (RFC 4880) that are written and recognised here, and where packets
// end; gpg does the rest.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include <vmstream/result.h>

namespace vmstream {

/// A signature packet as gpg made it, with what a message says of it ahead of its content.
struct SignaturePacket {
  std::vector<std::byte> bytes = {};
  uint8_t type = 0;
  uint8_t key_algorithm = 0;
  uint8_t hash_algorithm = 0;
  uint64_t key_id = 0;
};
/// `fingerprint` is that of the key that made it.
Result<SignaturePacket> parse_signature(std::vector<std::byte> bytes, std::string_view fingerprint);

/// A literal packet is written in parts of this size, but for the last.
constexpr unsigned kPartExponent = 18;
constexpr size_t kPartBytes = size_t{1} << kPartExponent;

/// Announces a signature that stands behind the content.
std::vector<std::byte> one_pass_packet(const SignaturePacket& signature);

/// The tag of a literal packet and, counted as the first bytes of its body, what says of it that it
/// is binary and has neither name nor date.
std::array<std::byte, 1> literal_tag();
std::array<std::byte, 6> literal_head();

/// The length that stands before kPartBytes of a body of which more follows.
std::array<std::byte, 1> part_length();
/// The length that stands before the last part of a body, or before a whole one.
std::vector<std::byte> last_length(size_t count);

/// Follows a message, in pieces of any size, from packet to packet by their lengths.
///
/// GPGME does not tell how gpg ended: one that was killed when it had taken all of its input looks
/// like one that did all of its work. What it wrote then ends within a packet.
class PacketFrames {
 public:
  void follow(std::span<const std::byte> bytes);
  /// Whether the message so far ends where a packet does.
  bool at_end() const { return begun_ && head_.empty() && body_left_ == 0 && !in_parts_; }

 private:
  void take_head(uint8_t octet);

  std::vector<uint8_t> head_;  // of the next packet, or of its next part, as far as it has come
  uint64_t body_left_ = 0;
  bool in_parts_ = false;  // another part of the same packet follows
  bool begun_ = false;
};

}  // namespace vmstream
