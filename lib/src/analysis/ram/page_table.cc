// SPDX-License-Identifier: MIT
#include "analysis/ram/page_table.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace vmstream {

Error PageTable::too_large(const Page& page) {
  return Error{Errc::Unsupported,
               fmt::format("page tables of more than {} bytes are not kept", kMostBytes),
               page.offset};
}

PageEntry& PageTable::at(uint64_t offset) {
  uint64_t page = offset / page_size_;
  if (page / kChunkPages != open_number_) open(page / kChunkPages);
  return open_[page % kChunkPages];
}

PageEntry PageTable::get(uint64_t offset) const {
  uint64_t page = offset / page_size_;
  if (page / kChunkPages == open_number_) return open_[page % kChunkPages];
  auto found = chunks_.find(page / kChunkPages);
  if (found == chunks_.end()) return {};
  uint64_t left = page % kChunkPages;
  for (const Run& run : found->second) {
    if (left < run.count) return run.entry;
    left -= run.count;
  }
  return {};
}

void PageTable::discard(uint64_t start, uint64_t length) {
  uint64_t first = start / page_size_;
  uint64_t end = first + (length + page_size_ - 1) / page_size_;
  close();
  for (auto chunk = chunks_.lower_bound(first / kChunkPages);
       chunk != chunks_.end() && chunk->first * kChunkPages < end; ++chunk) {
    open(chunk->first);
    uint64_t base = chunk->first * kChunkPages;
    for (uint64_t page = std::max(first, base); page < std::min(end, base + kChunkPages); ++page) {
      if (PageEntry& entry = open_[page - base]; entry.times() > 0) entry.discard();
    }
  }
}

void PageTable::open(uint64_t number) {
  close();
  open_number_ = number;
  auto next = open_.begin();
  for (const Run& run : chunks_[number]) next = std::fill_n(next, run.count, run.entry);
  std::fill(next, open_.end(), PageEntry());
}

void PageTable::close() {
  if (open_number_ == kNoChunk) return;
  Runs runs;
  for (auto first = open_.begin(); first != open_.end();) {
    auto end = std::find_if(first, open_.end(), [&](PageEntry next) { return next != *first; });
    runs.push_back({static_cast<uint16_t>(end - first), *first});
    first = end;
  }
  runs.shrink_to_fit();
  Runs& old = chunks_[open_number_];
  run_bytes_ += runs.size() * sizeof(Run);
  run_bytes_ -= old.size() * sizeof(Run);
  old = std::move(runs);
  open_number_ = kNoChunk;
}

void PageTable::each_run(const RunReceiver& receiver) const {
  for (const auto& [number, runs] : chunks_) {
    uint64_t page = number * kChunkPages;
    if (number == open_number_) {
      for (PageEntry entry : open_) {
        if (entry.times() > 0) receiver(page, 1, entry);
        ++page;
      }
      continue;
    }
    for (const Run& run : runs) {
      if (run.entry.times() > 0) receiver(page, run.count, run.entry);
      page += run.count;
    }
  }
}

void PageTable::set_page_size(uint32_t page_size) {
  if (is_empty()) {
    page_size_ = page_size;
    return;
  }
  PageTable moved(page_size);
  each_run([&](uint64_t first, uint64_t count, PageEntry entry) {
    for (uint64_t page = first; page < first + count; ++page) moved.at(page * page_size_) = entry;
  });
  *this = std::move(moved);
}

bool PageSizeGuess::refine(const Page& page) {
  uint32_t size = judge(page);
  if (size == bytes_ || changes_ == kMostChanges) return false;
  bytes_ = size;
  ++changes_;
  return true;
}

uint32_t PageSizeGuess::judge(const Page& page) const {
  if (page.kind == PageKind::Data) return page.size;
  uint32_t size = bytes_ == 0 ? page.size : bytes_;
  uint64_t lowest_bit = page.block_offset & (~page.block_offset + 1);
  if (lowest_bit != 0 && lowest_bit < size) size = static_cast<uint32_t>(lowest_bit);
  return size;
}

}  // namespace vmstream
