// SPDX-License-Identifier: MIT
#include <vmstream/stream_statistics.h>

#include <vmstream/text.h>
#include <vmstream/visitor.h>
#include "format/device/global_state.h"
#include "format/stream/stream_counter.h"

namespace vmstream {
namespace {

// Counts, and notes what else a tap tells of.
class Tally final : public StreamCounter {
 public:
  std::string machine;
  std::optional<std::array<std::byte, 16>> uuid;
  std::optional<GlobalState> saved_in;

  Status on_configuration(const Configuration& configuration) override {
    machine = escape(configuration.machine);
    uuid = configuration.uuid;
    return ok();
  }
  Status on_section(const SectionHeader& header) override {
    in_global_state_ = is_global_state(header);
    return ok();
  }
  Status on_body(uint64_t, std::span<const std::byte> bytes) override {
    if (in_global_state_) saved_in = read_global_state(bytes);
    return ok();
  }

 private:
  bool in_global_state_ = false;
};

}  // namespace

struct StatisticsTap::State {
  State(const ParseLimits& limits, StreamVisitor* also)
      : visitors{&tally, also}, parser(visitors, limits) {}

  Tally tally;
  VisitorList visitors;
  StreamParser parser;
};

StatisticsTap::StatisticsTap(ParseLimits limits, StreamVisitor* also)
    : state_(std::make_unique<State>(limits, also)) {}
StatisticsTap::~StatisticsTap() = default;

Status StatisticsTap::on_bytes(std::span<const std::byte> bytes) {
  auto status = state_->parser.feed(bytes);
  state_->tally.counts.stream_bytes = state_->parser.offset();
  return status;
}

Status StatisticsTap::finish() {
  auto status = state_->parser.finish();
  state_->tally.counts.stream_bytes = state_->parser.offset();
  return status;
}

const StreamCounts& StatisticsTap::counts() const {
  return state_->tally.counts;
}

const std::string& StatisticsTap::machine() const {
  return state_->tally.machine;
}

const std::optional<std::array<std::byte, 16>>& StatisticsTap::uuid() const {
  return state_->tally.uuid;
}

bool StatisticsTap::starts_guest() const {
  const auto& saved_in = state_->tally.saved_in;
  return !saved_in || saved_in->starts();
}

const StreamParser& StatisticsTap::parser() const {
  return state_->parser;
}

}  // namespace vmstream
