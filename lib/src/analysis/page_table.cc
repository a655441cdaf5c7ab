// SPDX-License-Identifier: MIT
#include "analysis/page_table.h"

#include <fmt/format.h>

#include <utility>

namespace vmstream::analysis {

Error PageTable::too_large(const Page& page) {
  return Error{Errc::Unsupported,
               fmt::format("page tables of more than {} bytes are not kept", kMostBytes),
               page.offset};
}

PageEntry& PageTable::at(uint64_t offset) {
  uint64_t page = offset / page_size_;
  uint64_t number = page / kChunkPages;
  if (last_ == nullptr || number != last_number_) {
    auto& chunk = chunks_[number];
    if (!chunk) chunk = std::make_unique<Chunk>();
    last_ = chunk.get();
    last_number_ = number;
  }
  return (*last_)[page % kChunkPages];
}

PageEntry PageTable::get(uint64_t offset) const {
  uint64_t page = offset / page_size_;
  auto found = chunks_.find(page / kChunkPages);
  return found == chunks_.end() ? PageEntry() : (*found->second)[page % kChunkPages];
}

void PageTable::set_page_size(uint32_t page_size) {
  auto old = std::exchange(chunks_, {});
  uint32_t old_size = std::exchange(page_size_, page_size);
  last_ = nullptr;
  for (const auto& [number, chunk] : old) {
    for (size_t i = 0; i < kChunkPages; ++i) {
      if ((*chunk)[i].times() > 0) at((number * kChunkPages + i) * old_size) = (*chunk)[i];
    }
  }
}

uint32_t refine_page_size(const Page& page, uint32_t believed) {
  if (page.kind == PageKind::Data) return page.size;
  uint32_t size = believed == 0 ? page.size : believed;
  uint64_t lowest_bit = page.block_offset & (~page.block_offset + 1);
  if (lowest_bit != 0 && lowest_bit < size) size = static_cast<uint32_t>(lowest_bit);
  return size;
}

}  // namespace vmstream::analysis
