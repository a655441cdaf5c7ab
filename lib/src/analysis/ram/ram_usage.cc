// SPDX-License-Identifier: MIT
#include <vmstream/ram_usage.h>

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <unordered_map>
#include <utility>

#include "analysis/ram/page_table.h"
#include "format/ram/ram_records.h"
#include "format/ram/target_page.h"

namespace vmstream {

std::string_view name_of(RamCell cell) {
  switch (cell) {
    case RamCell::Absent:
      return "absent";
    case RamCell::Zero:
      return "zero";
    case RamCell::Fill:
      return "fill";
    case RamCell::Data:
      return "data";
    case RamCell::Resent:
      return "resent";
  }
  return "absent";
}

namespace {

/// A page's place in the sender's order: blocks as listed, pages ascending.
struct RecordPlace {
  size_t block = 0;
  uint64_t offset = 0;
  auto operator<=>(const RecordPlace&) const = default;
};

/// Fed with every page record in stream order. See RamUsageCollector for the rule.
class PassFinder {
 public:
  /// `first_time`: the page was never sent before. `bytes`: of the record.
  void add(const RecordPlace& place, const Page& page, bool first_time, uint64_t bytes);
  /// What comes now is asked for by the guest.
  void enter_postcopy();

  /// Whether there were more than kMostPasses.
  bool left_out() const { return left_out_; }
  std::vector<RamPass> take_passes() { return std::move(passes_); }

 private:
  // Compression threads are this many pages out of order at most, unless somebody asked for many
  // more of them than the usual eight.
  static constexpr uint64_t kThreadPages = 64;

  bool begins_pass(const RecordPlace& place, const Page& page, bool first_time);
  bool is_late_thread(const RecordPlace& place, const Page& page) const;
  void note(const RecordPlace& place, const Page& page);

  std::vector<RamPass> passes_;
  RecordPlace last_;
  RecordPlace highest_;  // of this pass
  uint64_t recent_ = 0;  // bit i: the page i before highest_ was sent in this pass
  bool left_out_ = false;
  bool threads_ = false;
  bool postcopy_ = false;
};

void PassFinder::add(const RecordPlace& place, const Page& page, bool first_time, uint64_t bytes) {
  if (page.kind == PageKind::Compressed) threads_ = true;
  if (begins_pass(place, page, first_time)) {
    left_out_ = passes_.size() == kMostPasses;
    if (!left_out_) passes_.emplace_back();
    highest_ = place;
    recent_ = 0;
  }
  note(place, page);
  ++passes_.back().pages;
  passes_.back().bytes += bytes;
}

void PassFinder::enter_postcopy() {
  if (!postcopy_ && !passes_.empty()) passes_.emplace_back();
  postcopy_ = true;
}

bool PassFinder::begins_pass(const RecordPlace& place, const Page& page, bool first_time) {
  if (passes_.empty()) return true;
  if (postcopy_ || place > last_) return false;
  if (is_late_thread(place, page)) return false;
  // The first pass has all pages, none of which is left for the next: whoever sends this one does
  // so out of turn.
  return !first_time || passes_.size() > 1;
}

bool PassFinder::is_late_thread(const RecordPlace& place, const Page& page) const {
  if (!threads_ || place.block != highest_.block || place.offset > highest_.offset) return false;
  uint64_t behind = (highest_.offset - place.offset) / page.size;
  return behind < kThreadPages && ((recent_ >> behind) & 1) == 0;
}

void PassFinder::note(const RecordPlace& place, const Page& page) {
  last_ = place;
  if (place.block != highest_.block || recent_ == 0) {
    highest_ = place;
    recent_ = 1;
  } else if (place.offset > highest_.offset) {
    uint64_t ahead = (place.offset - highest_.offset) / page.size;
    recent_ = ahead < kThreadPages ? (recent_ << ahead) | 1 : 1;
    highest_ = place;
  } else if (uint64_t behind = (highest_.offset - place.offset) / page.size;
             behind < kThreadPages) {
    recent_ |= uint64_t{1} << behind;
  }
}

struct Block {
  RamBlockUsage usage;
  PageTable table;
};

RamCell cell_of(const PageEntry& entry) {
  if (!entry.is_there()) return RamCell::Absent;
  if (entry.times() > 1) return RamCell::Resent;
  if (entry.kind() == PageKind::Zero) return RamCell::Zero;
  return entry.kind() == PageKind::Fill ? RamCell::Fill : RamCell::Data;
}

// The record's head and payload. A mapped-ram page has no head and, while it is zero, no content.
uint64_t bytes_of(const Page& page) {
  if (page.block && page.block->mapped) return page.kind == PageKind::Zero ? 0 : page.size;
  return page.payload_offset - page.offset + page.payload.size();
}

void count_run(uint64_t first, uint64_t count, const PageEntry& entry, RamBlockUsage& usage,
               std::vector<uint64_t>& resends) {
  if (resends.size() < entry.times()) resends.resize(entry.times());
  resends[entry.times() - 1] += count;
  if (entry.is_there()) usage.absent_pages -= count;
  if (entry.times() > 1) usage.resent_pages += count;
  uint64_t last_cell = (first + count - 1) / usage.pages_per_cell;
  for (uint64_t at = first / usage.pages_per_cell; at <= last_cell; ++at) {
    RamCell& cell = usage.map[static_cast<size_t>(at)];
    cell = std::max(cell, cell_of(entry));
  }
}

void measure(Block& block, std::vector<uint64_t>& resends) {
  RamBlockUsage& usage = block.usage;
  uint64_t page_size = block.table.page_size();
  usage.block_pages = usage.size / page_size + (usage.size % page_size != 0 ? 1 : 0);
  usage.absent_pages = usage.block_pages;
  auto cells = [&usage] {
    return usage.block_pages / usage.pages_per_cell +
           (usage.block_pages % usage.pages_per_cell != 0 ? 1 : 0);
  };
  while (cells() > RamUsage::kMostCells) usage.pages_per_cell *= 2;
  usage.map.resize(static_cast<size_t>(cells()));
  block.table.each_run([&](uint64_t first, uint64_t count, const PageEntry& entry) {
    count_run(first, count, entry, usage, resends);
  });
}

}  // namespace

struct RamUsageCollector::State {
  RamUsage usage;
  std::vector<Block> blocks;
  std::unordered_map<std::string, size_t> by_name;  // -> place in blocks
  PassFinder passes;
  PageSizeGuess page_size;
  const RamBlock* last = nullptr;  // pages of one block come in runs
  size_t last_index = 0;
  uint64_t table_bytes = 0;

  std::optional<size_t> find(const RamBlock* block);
  void refine_page_size(const Page& page);
  Status discard(const Command& command);
};

// The parser's list may move in memory while it grows: remembered only until the next list.
std::optional<size_t> RamUsageCollector::State::find(const RamBlock* block) {
  if (block == nullptr) return blocks.empty() ? std::nullopt : std::optional<size_t>(0);
  if (block == last) return last_index;
  auto found = by_name.find(block->name);
  if (found == by_name.end()) return std::nullopt;
  last = block;
  last_index = found->second;
  return last_index;
}

void RamUsageCollector::State::refine_page_size(const Page& page) {
  if (!page_size.refine(page)) return;
  for (Block& block : blocks) block.table.set_page_size(page_size.bytes());
}

RamUsageCollector::RamUsageCollector() : state_(std::make_unique<State>()) {}
RamUsageCollector::~RamUsageCollector() = default;

// A mapped-ram stream shows the list again with each block; the blocks known keep their counts.
Status RamUsageCollector::on_ram_blocks(const RamBlockList& list) {
  state_->last = nullptr;
  auto add = [this](std::string name, uint64_t size) {
    state_->by_name.emplace(name, state_->blocks.size());
    state_->blocks.push_back({{.name = std::move(name), .size = size, .pages = {}, .map = {}},
                              PageTable(kUsualPageBytes)});
    if (uint32_t bytes = state_->page_size.bytes(); bytes != 0) {
      state_->blocks.back().table.set_page_size(bytes);
    }
  };
  if (list.blocks.empty() && state_->blocks.empty()) add("", list.total_bytes);
  for (size_t i = state_->blocks.size(); i < list.blocks.size(); ++i) {
    add(list.blocks[i].name, list.blocks[i].used_length);
    if (list.blocks[i].mapped) state_->usage.mapped = true;
  }
  return ok();
}

Status RamUsageCollector::on_page(const Page& page) {
  auto index = state_->find(page.block);
  if (!index) return ok();
  Block& block = state_->blocks[*index];
  if (page.block_offset >= block.usage.size) return ok();  // of a list that contradicts the first
  state_->refine_page_size(page);
  uint64_t before = block.table.bytes();
  PageEntry& entry = block.table.at(page.block_offset);
  state_->table_bytes += block.table.bytes() - before;
  if (state_->table_bytes > PageTable::kMostBytes) return PageTable::too_large(page);
  state_->passes.add({*index, page.block_offset}, page, entry.times() == 0, bytes_of(page));
  entry.send(page.kind);
  block.usage.pages.add(page.kind);
  return ok();
}

Status RamUsageCollector::State::discard(const Command& command) {
  auto discarded = read_ram_discard(command);
  if (!discarded) {
    usage.problems.add(discarded.error(), command.offset);
    return ok();
  }
  auto found = by_name.find(std::string(discarded->block));
  if (found == by_name.end()) return ok();
  Block& block = blocks[found->second];
  for (auto [start, length] : discarded->ranges) {
    start = std::min(start, block.usage.size);
    block.table.discard(start, std::min(length, block.usage.size - start));
  }
  return ok();
}

Status RamUsageCollector::on_command(const Command& command) {
  if (command.type == CommandType::PostcopyRamDiscard) return state_->discard(command);
  if (command.type != CommandType::PostcopyRun) return ok();
  state_->usage.postcopy = true;
  state_->passes.enter_postcopy();
  return ok();
}

Status RamUsageCollector::on_problem(const Problem& problem) {
  state_->usage.problems.add(problem);
  return ok();
}

RamUsage RamUsageCollector::finish() {
  RamUsage usage = std::move(state_->usage);
  usage.page_size = state_->page_size.bytes();
  usage.table_bytes = state_->table_bytes;
  usage.passes = state_->passes.take_passes();
  if (state_->passes.left_out()) {
    usage.problems.add(
        {.offset = 0,
         .message = fmt::format("more than {} passes over the RAM: what comes behind "
                                "them counts as one",
                                kMostPasses),
         .known_flaw = true});
  }
  if (!usage.passes.empty() && usage.passes.back().pages == 0) usage.passes.pop_back();
  for (Block& block : state_->blocks) {
    measure(block, usage.resends);
    usage.blocks.push_back(std::move(block.usage));
  }
  return usage;
}

}  // namespace vmstream
