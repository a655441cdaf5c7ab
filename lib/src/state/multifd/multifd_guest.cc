// SPDX-License-Identifier: MIT
#include <vmstream/multifd_guest.h>

#include <algorithm>
#include <utility>

#include "state/multifd/guest_checks.h"

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
  GuestChecks checks;
  std::vector<MultifdChannel> channels = {};
};

MultifdGuest::MultifdGuest(uint64_t most_set_bytes)
    : state_(std::make_unique<State>(State{GuestChecks(most_set_bytes)})) {}
MultifdGuest::~MultifdGuest() = default;

StreamVisitor& MultifdGuest::main_visitor() {
  return state_->checks.common().main;
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
  CommonFacts& common = state_->checks.common();
  if (auto begun = state_->checks.begin_channel(); !begun) return begun;
  MultifdChannel& channel = state_->channels.emplace_back();
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

MultifdFindings MultifdGuest::finish() {
  return state_->checks.finish(std::move(state_->channels));
}

}  // namespace vmstream
