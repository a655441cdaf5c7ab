// SPDX-License-Identifier: MIT
#include <vmstream/indexing.h>

#include <algorithm>
#include <functional>
#include <map>
#include <utility>

#include <vmstream/vmdesc.h>
#include "format/ram/ram_records.h"
#include "state/page_account.h"
#include "state/page_collector.h"
#include "state/record_collector.h"

namespace vmstream {
namespace {

constexpr uint64_t kRecordHeadBytes = 5;  // of commands and of the vmdesc

// Names the part that is missing.
void note_left_out(StateFacts& facts, const char* part, const std::string& reason) {
  facts.left_out.push_back(std::string(part) + ": " + reason);
}

}  // namespace

struct IndexBuilder::State {
  explicit State(const IndexLimits& limits)
      : records(limits.records), pages(limits.page_map_bytes) {}

  StateFacts facts;
  RecordCollector records;
  PageCollector pages;

  // The list shown last: where it stands in memory and in the stream, and the number in
  // facts.blocks of each of its entries.
  const RamBlock* list = nullptr;
  uint64_t list_offset = 0;
  std::vector<size_t> numbers;
  std::map<std::string, size_t, std::less<>> by_name;

  // Pages of one block come in runs. Their records are counted here until another block's come.
  const RamBlock* block = nullptr;
  size_t number = 0;
  bool any_block = false;
  std::array<uint64_t, 5> counts{};
  uint64_t page_records = 0;
  uint64_t page_record_bytes = 0;

  size_t number_of(const RamBlock& entry);
  size_t number_of_listed(const RamBlock* entry);
  size_t number_of_flat_memory();
  void settle_counts();
  void enter_block(const RamBlock* entry);
  void discard(const Command& command);
};

size_t IndexBuilder::State::number_of(const RamBlock& entry) {
  auto [found, is_new] = by_name.emplace(entry.name, facts.blocks.size());
  if (is_new) {
    facts.blocks.push_back({.block = entry});
  } else {
    facts.blocks[found->second].block = entry;
  }
  return found->second;
}

// In a damaged stream pages may belong to a list that was not shown.
size_t IndexBuilder::State::number_of_listed(const RamBlock* entry) {
  std::less<const RamBlock*> before;
  if (!before(entry, list) && before(entry, list + numbers.size())) {
    return numbers[static_cast<size_t>(entry - list)];
  }
  size_t found = number_of(*entry);
  pages.set_block_count(facts.blocks.size());
  return found;
}

// Ram version 3 has addresses instead of blocks.
size_t IndexBuilder::State::number_of_flat_memory() {
  size_t flat = number_of({.name = "", .used_length = facts.ram_bytes, .offset = list_offset});
  pages.set_block_count(facts.blocks.size());
  return flat;
}

void IndexBuilder::State::discard(const Command& command) {
  auto discarded = read_ram_discard(command);
  auto found = discarded ? by_name.find(discarded->block) : by_name.end();
  if (found == by_name.end()) return pages.give_up("pages are discarded that nobody knows");
  uint64_t size = facts.blocks[found->second].block.used_length;
  for (auto [start, length] : discarded->ranges) {
    start = std::min(start, size);
    pages.discard(found->second, start, std::min(length, size - start));
  }
}

void IndexBuilder::State::settle_counts() {
  if (!any_block) return;
  auto& records_of_block = facts.blocks[number].records;
  for (size_t kind = 0; kind < counts.size(); ++kind) records_of_block[kind] += counts[kind];
  counts = {};
}

void IndexBuilder::State::enter_block(const RamBlock* entry) {
  settle_counts();
  block = entry;
  number = entry ? number_of_listed(entry) : number_of_flat_memory();
  any_block = true;
}

IndexBuilder::IndexBuilder(IndexLimits limits) : state_(std::make_unique<State>(limits)) {}
IndexBuilder::~IndexBuilder() = default;
IndexBuilder::IndexBuilder(IndexBuilder&&) noexcept = default;

Status IndexBuilder::on_header(const StreamHeader& header) {
  state_->facts.stream_version = header.version;
  return ok();
}

Status IndexBuilder::on_configuration(const Configuration& configuration) {
  State& state = *state_;
  state.facts.machine = configuration.machine;
  if (configuration.target_page_bits) {
    state.pages.set_page_size(1u << *configuration.target_page_bits);
  }
  state.records.add({.type = SectionType::Configuration,
                     .offset = configuration.offset,
                     .length = configuration.length});
  return ok();
}

Status IndexBuilder::on_section(const SectionHeader& header) {
  if (header.idstr == "ram") state_->facts.ram_version = header.version_id;
  state_->records.open(header, state_->page_records);
  return ok();
}

// A mapped-ram stream shows the list again and again, with one more entry each time.
Status IndexBuilder::on_ram_blocks(const RamBlockList& list) {
  State& state = *state_;
  state.settle_counts();
  state.any_block = false;
  if (list.offset != state.list_offset) state.numbers.clear();
  state.list = list.blocks.data();
  state.list_offset = list.offset;
  state.facts.ram_bytes = list.total_bytes;
  for (size_t i = state.numbers.size(); i < list.blocks.size(); ++i) {
    state.numbers.push_back(state.number_of(list.blocks[i]));
  }
  if (list.blocks.empty() && list.total_bytes > 0) state.number_of_flat_memory();
  state.pages.set_block_count(state.facts.blocks.size());
  return ok();
}

Status IndexBuilder::on_page(const Page& page) {
  State& state = *state_;
  if (page.block != state.block || !state.any_block) state.enter_block(page.block);
  ++state.counts[static_cast<size_t>(page.kind)];
  ++state.page_records;
  state.page_record_bytes += page.payload_offset + page.payload.size() - page.offset;
  state.pages.add(state.number, page);
  return ok();
}

Status IndexBuilder::on_section_end(const SectionHeader&, const SectionEnd& end) {
  state_->records.close(end, state_->page_records);
  return ok();
}

Status IndexBuilder::on_command(const Command& command) {
  if (command.type == CommandType::PostcopyListen) state_->facts.postcopy = true;
  state_->records.add({.type = SectionType::Command,
                       .offset = command.offset,
                       .length = kRecordHeadBytes + command.payload.size(),
                       .command = command.type});
  if (command.type == CommandType::Packaged) state_->records.set_packaged(true);
  if (command.type == CommandType::PostcopyRamDiscard) state_->discard(command);
  return ok();
}

Status IndexBuilder::on_package_end(uint64_t) {
  state_->records.set_packaged(false);
  return ok();
}

Status IndexBuilder::on_eof(uint64_t offset) {
  state_->records.add({.type = SectionType::Eof, .offset = offset, .length = 1});
  return ok();
}

// Without a page of data the page size is still a guess.
Status IndexBuilder::on_vmdesc(const VmdescRecord& vmdesc) {
  State& state = *state_;
  state.records.add({.type = SectionType::Vmdescription,
                     .offset = vmdesc.offset,
                     .length = kRecordHeadBytes + vmdesc.json.size()});
  if (state.pages.knows_page_size() || state.pages.page_size() == 0) return ok();
  auto description = Vmdesc::parse(vmdesc.json);
  if (description && description->page_size() != 0) {
    state.pages.set_page_size(description->page_size());
  }
  return ok();
}

Status IndexBuilder::on_problem(const Problem&) {
  ++state_->facts.problems;
  return ok();
}

Status IndexBuilder::on_gap(const StreamGap&) {
  state_->records.set_packaged(false);
  state_->pages.give_up("bytes of the stream were lost");
  return ok();
}

StateIndex IndexBuilder::finish(uint64_t plain_bytes, uint64_t stream_bytes, bool complete) {
  State& state = *state_;
  state.settle_counts();
  StateIndex index;
  index.facts = std::move(state.facts);
  StateFacts& facts = index.facts;
  facts.plain_bytes = plain_bytes;
  facts.stream_bytes = stream_bytes;
  facts.complete = complete;
  facts.page_record_bytes = state.page_record_bytes;
  facts.target_page_size = state.pages.page_size();
  facts.capture.vmstream_version = version();
  if (state.records.given_up()) {
    note_left_out(facts, "sections", *state.records.given_up());
  } else {
    index.records = state.records.take();
  }
  if (state.pages.given_up()) {
    note_left_out(facts, "pages", *state.pages.given_up());
  } else {
    index.pages = state.pages.take();
    account_for_pages(index);
  }
  return index;
}

}  // namespace vmstream
