// SPDX-License-Identifier: MIT
// A page channel of a multifd migration, read a packet at a time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include <vmstream/byte_source.h>
#include <vmstream/multifd_guest.h>

#include "format/multifd/multifd.h"
#include "format/records/records.h"
#include "state/multifd/channel_checks.h"

namespace vmstream {

/// Stands before one packet, with its pages unpacked. What GuestChecks wants to know of the channel
/// is noted on the way; what no QEMU would load is an error at once, with its offset in the
/// channel. Memory: a packet, packed and unpacked, and what unpacking takes.
class PageChannel final : private MultifdVisitor {
 public:
  /// `common` is borrowed, and knows the list of RAM blocks.
  PageChannel(std::unique_ptr<ByteSource> source, CommonFacts& common);

  /// To the first packet, or the end.
  Status begin();
  /// To the next one. Not at the end.
  Status advance();

  bool has_ended() const { return ended_; }
  /// The rest of these are of the packet.
  uint64_t number() const { return packet_.number; }
  bool is_sync() const { return packet_.sync; }
  /// A record for each of its pages; the first one names the block.
  Status append_pages(Bytes& out) const;

  unsigned id() const { return facts_.initial ? facts_.initial->channel : 0; }
  /// Bytes read so far.
  uint64_t offset() const { return reader_.offset(); }
  /// What is known of the channel in the end.
  MultifdChannel take_facts() { return std::move(facts_); }

 private:
  struct Packet {
    uint64_t number = 0;
    bool sync = false;
    std::string block = {};
    std::vector<uint64_t> pages = {};
    std::vector<uint64_t> zeros = {};
    std::vector<std::byte> plain = {};  // of the pages
  };

  Status on_initial(const MultifdInitial& initial) override;
  Status on_packet(const MultifdPacket& packet) override;
  Status on_data(uint64_t offset, std::span<const std::byte> bytes) override;
  Status on_packet_end(uint64_t offset) override;
  Status on_problem(const Problem& problem) override;

  Status read_piece();
  Status check_facts() const;

  std::unique_ptr<ByteSource> source_;
  MultifdChannel facts_;
  ChannelChecks checks_;
  MultifdReader reader_;
  uint32_t page_bytes_;
  std::vector<std::byte> buffer_;
  Packet packet_;
  bool begun_ = false;
  bool is_whole_ = false;  // the packet has been read
  bool ended_ = false;
};

}  // namespace vmstream
