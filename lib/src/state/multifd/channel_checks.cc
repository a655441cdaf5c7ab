// SPDX-License-Identifier: MIT
#include "state/multifd/channel_checks.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>
#include <vector>

#include <vmstream/text.h>
#include "format/wire.h"

namespace vmstream {
namespace {

// 64 TiB of pages. Channels are read one after the other, so numbers may be far apart for a while;
// this is what bounds the memory for them.
constexpr uint64_t kMostPackets = uint64_t{1} << 27;

}  // namespace

void ChannelChecks::tell(uint64_t offset, std::string message, LoadEffect effect) {
  channel_.problems.add({.offset = offset, .message = std::move(message), .effect = effect});
}

Status ChannelChecks::on_initial(const MultifdInitial& initial) {
  channel_.initial = initial;
  if (!common_.uuid) common_.uuid = initial.uuid;
  if (initial.uuid == *common_.uuid) return ok();
  tell(wire::kMultifdUuidOffset,
       fmt::format("the channel is of guest {}, wanted {} as in the other parts",
                   uuid_text(initial.uuid), uuid_text(*common_.uuid)));
  return ok();
}

Status ChannelChecks::on_packet(const MultifdPacket& packet) {
  ++channel_.packets;
  if (packet.sync) ++channel_.syncs;
  plain_wanted_ = packet.pages.size() * uint64_t{common_.main.page_bytes()};
  plain_found_ = 0;
  data_offset_ = packet.data_offset;
  if (packet.has_device_state()) {
    ++channel_.device_packets;
    return ok();
  }
  note_release(packet);
  check_number(packet);
  if (packet.is_empty()) return ok();
  if (auto checked = check_method(packet); !checked) return checked;
  return check_pages(packet);
}

// The first packet of a channel is a SYNC, so this is known when numbers begin to matter.
void ChannelChecks::note_release(const MultifdPacket& packet) {
  if (packet.is_empty() && packet.room != 0) common_.old_sender = true;
  if (packet.sync && !packet.is_empty()) ++common_.overtaken;
}

// Ascending in a channel, and of newer senders each once in all of them; see MultifdPacket::number.
// No QEMU looks at them: it loads what is there.
void ChannelChecks::check_number(const MultifdPacket& packet) {
  constexpr uint64_t kNumberAt = 24;
  auto wrong = [&](const std::string& wanted) {
    common_.wrong_numbers = true;
    tell(packet.offset + kNumberAt, fmt::format("packet has number {}, {}", packet.number, wanted),
         LoadEffect::Ignored);
  };
  if (packet.number >= kMostPackets) return wrong(fmt::format("wanted less than {}", kMostPackets));
  auto before = std::exchange(last_number_, packet.number);
  if (before && packet.number < *before) {
    wrong(fmt::format("wanted more than {} of the one before it", *before));
  }
  if (common_.packets.insert(packet.number) || common_.old_sender) return;
  wrong("which another one has, wanted one of its own");
}

Status ChannelChecks::check_method(const MultifdPacket& packet) {
  constexpr uint64_t kFlagsAt = 8;
  if (!common_.method) common_.method = packet.method;
  if (packet.method != *common_.method) {
    tell(packet.offset + kFlagsAt, fmt::format("pages packed by {}, wanted {} as in other packets",
                                               name_of(packet.method), name_of(*common_.method)));
  }
  if (channel_.method != packet.method) unpacker_ = make_multifd_unpacker(packet.method);
  channel_.method = packet.method;
  return ok();
}

Status ChannelChecks::check_pages(const MultifdPacket& packet) {
  constexpr uint64_t kNameAt = 64;
  channel_.pages += packet.pages.size();
  channel_.zero_pages += packet.zeros.size();
  if (common_.main.blocks().empty()) return ok();  // the main stream is cut in front of its list
  SentBlock* block = common_.main.find(packet.block);
  if (block == nullptr) {
    tell(packet.offset + kNameAt,
         fmt::format("pages of RAM block '{}', wanted one of the main stream's list",
                     escape(packet.block)));
    return ok();
  }
  check_doubles(packet);
  size_t index = 0;
  for (auto offsets : {packet.pages, packet.zeros}) {
    for (uint64_t offset : offsets) {
      if (auto placed = place(packet, *block, offset, index++); !placed) return placed;
    }
  }
  return ok();
}

// A SYNC stands between two records of one page.
void ChannelChecks::check_doubles(const MultifdPacket& packet) {
  std::vector<uint64_t> offsets(packet.pages.begin(), packet.pages.end());
  offsets.insert(offsets.end(), packet.zeros.begin(), packet.zeros.end());
  std::ranges::sort(offsets);
  auto twice = std::ranges::adjacent_find(offsets);
  if (twice == offsets.end()) return;
  tell(packet.offset + wire::kMultifdTableOffset,
       fmt::format("page at {:#x} twice in one packet, wanted once", *twice), LoadEffect::Ignored);
}

Status ChannelChecks::place(const MultifdPacket& packet, SentBlock& block, uint64_t offset,
                            size_t index) {
  uint32_t page_bytes = common_.main.page_bytes();
  if (offset % page_bytes == 0 && offset < block.bytes) return common_.main.send(block, offset);
  tell(packet.offset + wire::kMultifdTableOffset + index * sizeof offset,
       fmt::format("page at {:#x} of RAM block '{}', wanted a multiple of {:#x} below {:#x}",
                   offset, escape(block.name), page_bytes, block.bytes));
  return ok();
}

Status ChannelChecks::on_data(uint64_t offset, std::span<const std::byte> bytes) {
  if (plain_wanted_ == 0) return ok();
  if (!unpacker_) {
    if (take_) take_(bytes);
    return ok();
  }
  auto plain = unpacker_->unpack(bytes, plain_wanted_ - plain_found_, take_);
  if (!plain) {
    Error fault = plain.error();
    if (is_stream_fault(fault)) fault.offset = offset;
    return fault;
  }
  plain_found_ += *plain;
  if (plain_found_ <= plain_wanted_) return ok();
  return malformed(data_offset_, fmt::format("the data unpacks to more than {} bytes, wanted {}",
                                             plain_wanted_, plain_wanted_));
}

Status ChannelChecks::on_packet_end(uint64_t) {
  if (!unpacker_ || plain_found_ == plain_wanted_) return ok();
  return malformed(data_offset_, fmt::format("the data unpacks to {} bytes, wanted {}",
                                             plain_found_, plain_wanted_));
}

Status ChannelChecks::on_problem(const Problem& problem) {
  channel_.problems.add(problem);
  return ok();
}

}  // namespace vmstream
