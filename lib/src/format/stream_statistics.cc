// SPDX-License-Identifier: MIT
#include <vmstream/stream_statistics.h>

#include <algorithm>

#include <vmstream/text.h>
#include "format/forwarding_visitor.h"
#include "format/target_page.h"

namespace vmstream {
namespace {

class Counter final : public ForwardingVisitor {
 public:
  using ForwardingVisitor::ForwardingVisitor;

  StreamCounts counts;
  std::string machine;
  LastRamSection ram;

  Status on_configuration(const Configuration& configuration) override {
    machine = escape(configuration.machine);
    return ForwardingVisitor::on_configuration(configuration);
  }
  Status on_ram_blocks(const RamBlockList& list) override {
    counts.guest_bytes = list.total_bytes;
    return ForwardingVisitor::on_ram_blocks(list);
  }
  Status on_section(const SectionHeader& header) override {
    if (header.idstr == "ram") ram = {header.offset, true};
    return ForwardingVisitor::on_section(header);
  }
  Status on_page(const Page& page) override {
    ++counts.pages;
    counts.zero_pages += page.kind == PageKind::Zero ? 1 : 0;
    if (page.kind == PageKind::Data) page_bytes_ = page.payload.size();
    return ForwardingVisitor::on_page(page);
  }
  Status on_section_end(const SectionHeader& header, const SectionEnd& end) override {
    if (header.idstr == "ram") ram.open = false;
    counts.device_sections += header.type == SectionType::Full ? 1 : 0;
    return ForwardingVisitor::on_section_end(header, end);
  }
  // The page's size is known at the first data page; all have the same.
  void refresh(uint64_t stream_bytes) {
    counts.stream_bytes = stream_bytes;
    counts.page_bytes = counts.pages * page_bytes_;
  }

 private:
  uint64_t page_bytes_ = kUsualPageBytes;
};

}  // namespace

struct StatisticsTap::State {
  State(const ParseLimits& limits, StreamVisitor* also) : counter(also), parser(counter, limits) {}

  Counter counter;
  StreamParser parser;
};

StatisticsTap::StatisticsTap(ParseLimits limits, StreamVisitor* also)
    : state_(std::make_unique<State>(limits, also)) {}
StatisticsTap::~StatisticsTap() = default;

Status StatisticsTap::on_bytes(std::span<const std::byte> bytes) {
  auto status = state_->parser.feed(bytes);
  state_->counter.refresh(state_->parser.offset());
  return status;
}

Status StatisticsTap::finish() {
  auto status = state_->parser.finish();
  state_->counter.refresh(state_->parser.offset());
  return status;
}

const StreamCounts& StatisticsTap::counts() const {
  return state_->counter.counts;
}

const std::string& StatisticsTap::machine() const {
  return state_->counter.machine;
}

const StreamParser& StatisticsTap::parser() const {
  return state_->parser;
}

const LastRamSection& StatisticsTap::last_ram_section() const {
  return state_->counter.ram;
}

}  // namespace vmstream
