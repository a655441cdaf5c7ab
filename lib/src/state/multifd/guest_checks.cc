// SPDX-License-Identifier: MIT
#include "state/multifd/guest_checks.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <utility>

#include <vmstream/text.h>
#include "format/wire.h"

namespace vmstream {

Status GuestChecks::begin_channel() {
  if (auto known = common_.main.check_page_bytes(); !known) return known;
  if (common_.main.uuid()) common_.uuid = common_.main.uuid();
  return common_.main.within_limit();
}

MultifdFindings GuestChecks::finish(std::vector<MultifdChannel> channels) {
  findings_.channels = std::move(channels);
  check_ids();
  check_syncs();
  check_numbers();
  check_pages();
  findings_.main_pages = common_.main.pages();
  findings_.main_zero_pages = common_.main.zero_pages();
  return std::move(findings_);
}

// A QEMU that waits for fewer channels loads what is there.
void GuestChecks::tell(std::string message, LoadEffect effect) {
  findings_.problems.add({.offset = 0, .message = std::move(message), .effect = effect});
}

// Each of 0 to the number of channels less one, once.
void GuestChecks::check_ids() {
  std::set<unsigned> ids;
  for (MultifdChannel& channel : findings_.channels) {
    if (!channel.initial) continue;
    unsigned id = channel.initial->channel;
    if (ids.insert(id).second) continue;
    channel.problems.add(
        {.offset = wire::kMultifdChannelOffset,
         .message =
             fmt::format("this is channel {}, which another part is, wanted one of its own", id)});
  }
  if (findings_.channels.empty()) tell("no page channel, wanted one or more");
  for (unsigned id = 0; !ids.empty() && id < *ids.rbegin(); ++id) {
    if (ids.contains(id)) continue;
    tell(fmt::format("channel {} is missing, wanted all of 0 to {}", id, *ids.rbegin()));
  }
}

// Of the channels.
uint64_t GuestChecks::most_syncs() const {
  uint64_t most = 0;
  for (const auto& channel : findings_.channels) most = std::max(most, channel.syncs);
  return most;
}

// The main stream says how many, if it is whole; the channels must agree anyway.
void GuestChecks::check_syncs() {
  uint64_t wanted = common_.main.syncs();
  bool by_slices = common_.main.syncs_are_exact();
  if (!by_slices || wanted == 0) wanted = std::max(wanted, most_syncs());
  for (MultifdChannel& channel : findings_.channels) {
    if (channel.syncs == wanted) continue;
    channel.problems.add(
        {.offset = channel.plain_bytes,
         .message = fmt::format("the channel has {} SYNC packets, wanted {} as in the other parts",
                                channel.syncs, wanted),
         .effect = channel.syncs < wanted ? LoadEffect::Refused : LoadEffect::Ignored});
  }
}

// Of an old sender only as many are told as a whole channel has: it loses some itself, one where a
// SYNC overtook pages. A channel that is missing is what a QEMU may mind. All channels have their
// SYNC at about the same numbers, and behind the last one of the last channel there is none.
void GuestChecks::check_numbers() {
  uint64_t found = common_.packets.size();
  uint64_t wanted = common_.packets.end();
  uint64_t of_channel = std::max<uint64_t>(most_syncs(), 3) - 1;
  uint64_t least = common_.old_sender ? common_.overtaken + of_channel : 1;
  if (wanted - found < least) return;
  bool may_be_channel = wanted - found >= of_channel && !common_.wrong_numbers;
  tell(fmt::format("{} packets with different numbers up to {}, wanted {}: number {} is in no "
                   "channel",
                   found, wanted - 1, wanted, common_.packets.first_missing()),
       may_be_channel ? LoadEffect::Depends : LoadEffect::Ignored);
}

void GuestChecks::check_pages() {
  if (!common_.main.within_limit()) return;
  for (const SentBlock& block : common_.main.blocks()) check_block(block);
}

void GuestChecks::check_block(const SentBlock& block) {
  if (block.may_be_shared && block.pages.size() == 0) return;
  uint64_t page_bytes = common_.main.page_bytes();
  uint64_t wanted = block.bytes / page_bytes + (block.bytes % page_bytes != 0 ? 1 : 0);
  uint64_t absent = wanted - block.pages.size();
  findings_.absent_pages += absent;
  if (absent == 0 || common_.main.may_lack_pages()) return;
  tell(fmt::format("RAM block '{}' lacks {} of {} pages, the first at {:#x}: no part has them",
                   escape(block.name), absent, wanted, block.pages.first_missing() * page_bytes));
}

}  // namespace vmstream
