// SPDX-License-Identifier: MIT
#include <vmstream/multifd_guest.h>

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <utility>

#include <vmstream/text.h>
#include "analysis/multifd/channel_checks.h"
#include "format/wire.h"

namespace vmstream {

bool MultifdChannel::data_read() const {
  return !method || *method == MultifdMethod::None || is_unpacked(*method);
}

bool MultifdFindings::ok() const {
  auto is_sound = [](const MultifdChannel& channel) {
    return !channel.fault && channel.problems.damage() == 0;
  };
  return problems.damage() == 0 && std::ranges::all_of(channels, is_sound);
}

struct MultifdGuest::State {
  explicit State(uint64_t most_set_bytes) : common{.main = MainFacts(most_set_bytes)} {}

  CommonFacts common;
  MultifdFindings findings;

  void check_ids();
  void check_syncs();
  void check_numbers();
  void check_pages();
  void check_block(const SentBlock& block);
  uint64_t most_syncs() const;
  // A QEMU that waits for fewer channels loads what is there.
  void tell(std::string message, LoadEffect effect = LoadEffect::Depends) {
    findings.problems.add({.offset = 0, .message = std::move(message), .effect = effect});
  }
};

MultifdGuest::MultifdGuest(uint64_t most_set_bytes)
    : state_(std::make_unique<State>(most_set_bytes)) {}
MultifdGuest::~MultifdGuest() = default;

StreamVisitor& MultifdGuest::main_visitor() {
  return state_->common.main;
}

namespace {

// Reads all that there is, also behind what cannot be understood. The error is the source's.
Status read_all(ByteSource& source, MultifdReader& reader, MultifdChannel& channel,
                const ChannelOptions& options) {
  for (;;) {
    auto bytes = source.next();
    if (!bytes) return bytes.error();
    if (bytes->empty()) break;
    channel.plain_bytes += bytes->size();
    if (options.digest) options.digest->update(*bytes);
    if (options.on_progress) options.on_progress(channel.plain_bytes);
    if (channel.fault) continue;
    if (auto fed = reader.feed(*bytes); !fed) channel.fault = fed.error();
  }
  if (auto ended = reader.finish(); !ended && !channel.fault) channel.fault = ended.error();
  return ok();
}

}  // namespace

Status MultifdGuest::read_channel(ByteSource& source, const ChannelOptions& options) {
  CommonFacts& common = state_->common;
  if (auto known = common.main.check_page_bytes(); !known) return known;
  if (!common.main.within_limit()) return common.main.within_limit();
  if (common.main.uuid()) common.uuid = common.main.uuid();
  MultifdChannel& channel = state_->findings.channels.emplace_back();
  ChannelChecks checks(common, channel);
  MultifdReader reader(checks, common.main.page_bytes());
  if (auto read = read_all(source, reader, channel, options); !read && !channel.fault) {
    channel.fault = read.error();
  }
  if (!common.main.within_limit()) return common.main.within_limit();
  if (!channel.fault) return ok();
  if (!is_stream_fault(*channel.fault)) return *channel.fault;
  channel.problems.add(*channel.fault, channel.plain_bytes);
  return ok();
}

// Each of 0 to the number of channels less one, once.
void MultifdGuest::State::check_ids() {
  std::set<unsigned> ids;
  for (MultifdChannel& channel : findings.channels) {
    if (!channel.initial) continue;
    unsigned id = channel.initial->channel;
    if (ids.insert(id).second) continue;
    channel.problems.add(
        {.offset = wire::kMultifdChannelOffset,
         .message =
             fmt::format("this is channel {}, which another part is, wanted one of its own", id)});
  }
  if (findings.channels.empty()) tell("no page channel, wanted one or more");
  for (unsigned id = 0; !ids.empty() && id < *ids.rbegin(); ++id) {
    if (ids.contains(id)) continue;
    tell(fmt::format("channel {} is missing, wanted all of 0 to {}", id, *ids.rbegin()));
  }
}

// Of the channels.
uint64_t MultifdGuest::State::most_syncs() const {
  uint64_t most = 0;
  for (const auto& channel : findings.channels) most = std::max(most, channel.syncs);
  return most;
}

// The main stream says how many, if it is whole; the channels must agree anyway.
void MultifdGuest::State::check_syncs() {
  uint64_t wanted = common.main.syncs();
  bool by_slices = common.main.syncs_are_exact();
  if (!by_slices || wanted == 0) wanted = std::max(wanted, most_syncs());
  for (MultifdChannel& channel : findings.channels) {
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
void MultifdGuest::State::check_numbers() {
  uint64_t found = common.packets.size();
  uint64_t wanted = common.packets.end();
  uint64_t of_channel = std::max<uint64_t>(most_syncs(), 3) - 1;
  uint64_t least = common.old_sender ? common.overtaken + of_channel : 1;
  if (wanted - found < least) return;
  bool may_be_channel = wanted - found >= of_channel && !common.wrong_numbers;
  tell(fmt::format("{} packets with different numbers up to {}, wanted {}: number {} is in no "
                   "channel",
                   found, wanted - 1, wanted, common.packets.first_missing()),
       may_be_channel ? LoadEffect::Depends : LoadEffect::Ignored);
}

void MultifdGuest::State::check_pages() {
  if (!common.main.within_limit()) return;
  for (const SentBlock& block : common.main.blocks()) check_block(block);
}

void MultifdGuest::State::check_block(const SentBlock& block) {
  if (block.may_be_shared && block.pages.size() == 0) return;
  uint64_t page_bytes = common.main.page_bytes();
  uint64_t wanted = block.bytes / page_bytes + (block.bytes % page_bytes != 0 ? 1 : 0);
  uint64_t absent = wanted - block.pages.size();
  findings.absent_pages += absent;
  if (absent == 0 || common.main.may_lack_pages()) return;
  tell(fmt::format("RAM block '{}' lacks {} of {} pages, the first at {:#x}: no part has them",
                   escape(block.name), absent, wanted, block.pages.first_missing() * page_bytes));
}

MultifdFindings MultifdGuest::finish() {
  state_->check_ids();
  state_->check_syncs();
  state_->check_numbers();
  state_->check_pages();
  state_->findings.main_pages = state_->common.main.pages();
  state_->findings.main_zero_pages = state_->common.main.zero_pages();
  return std::move(state_->findings);
}

}  // namespace vmstream
