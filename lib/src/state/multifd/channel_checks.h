// SPDX-License-Identifier: MIT
// What can be found wrong with one page channel while it is read.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include <vmstream/multifd_guest.h>

#include "format/multifd/unpacker.h"
#include "state/multifd/main_facts.h"

namespace vmstream {

/// What the channels of a guest have in common.
struct CommonFacts {
  MainFacts main;
  NumberSet packets = {};      ///< their numbers, of all channels
  bool wrong_numbers = false;  ///< a packet was told to have one
  bool old_sender = false;     ///< its numbers have gaps, as before 9.0; 9.0 and 9.1 look like it
  uint64_t overtaken = 0;      ///< packets with pages and the number of a SYNC
  std::optional<std::array<std::byte, 16>> uuid = {};  ///< of the main stream, or the first channel
  std::optional<MultifdMethod> method = {};            ///< of the first packet with pages
};

/// Counts, and holds each packet against the block list and the packets before it.
class ChannelChecks final : public MultifdVisitor {
 public:
  /// Borrowed but for `take`, which is shown the content of the pages with data where it is not
  /// empty.
  ChannelChecks(CommonFacts& common, MultifdChannel& channel, TakePlain take = {})
      : common_(common), channel_(channel), take_(std::move(take)) {}

  Status on_initial(const MultifdInitial& initial) override;
  Status on_packet(const MultifdPacket& packet) override;
  Status on_data(uint64_t offset, std::span<const std::byte> bytes) override;
  Status on_packet_end(uint64_t offset) override;
  Status on_problem(const Problem& problem) override;

 private:
  void note_release(const MultifdPacket& packet);
  void check_number(const MultifdPacket& packet);
  Status check_method(const MultifdPacket& packet);
  Status check_pages(const MultifdPacket& packet);
  void check_doubles(const MultifdPacket& packet);
  Status place(const MultifdPacket& packet, SentBlock& block, uint64_t offset, size_t index);
  void tell(uint64_t offset, std::string message, LoadEffect effect = LoadEffect::Refused);

  CommonFacts& common_;
  MultifdChannel& channel_;
  TakePlain take_;
  std::optional<uint64_t> last_number_;
  std::unique_ptr<MultifdUnpacker> unpacker_;
  uint64_t plain_wanted_ = 0;  // of the packet that is being read
  uint64_t plain_found_ = 0;
  uint64_t data_offset_ = 0;
};

}  // namespace vmstream
