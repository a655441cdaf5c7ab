// SPDX-License-Identifier: MIT
// Where the packets of an OpenPGP message end (RFC 4880, 4.2).
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace vmstream {

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
