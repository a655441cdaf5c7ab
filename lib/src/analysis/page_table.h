// SPDX-License-Identifier: MIT
// A few bits about each page of a block: how it was sent last, and how often.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <memory>

#include <vmstream/error.h>
#include <vmstream/format.h>

namespace vmstream::analysis {

/// How a page was sent. Two bytes: the times are counted up to kMostTimes and then no further.
class PageEntry {
 public:
  static constexpr unsigned kMostTimes = 8191;

  unsigned times() const { return bits_ >> 3; }
  /// Of the record that came last; asked only where times() is not 0.
  PageKind kind() const { return static_cast<PageKind>(bits_ & 7); }
  void send(PageKind kind) {
    unsigned times = this->times() < kMostTimes ? this->times() + 1 : kMostTimes;
    bits_ = static_cast<uint16_t>((times << 3) | static_cast<unsigned>(kind));
  }

 private:
  uint16_t bits_ = 0;
};
static_assert(sizeof(PageEntry) == 2);

/// Entries by the page's place in its block. Chunks exist only where pages were sent.
///
/// The page size is a guess at first; a better one moves the entries, and none is lost as long as
/// every place was a multiple of both.
class PageTable {
 public:
  static constexpr size_t kChunkPages = 512;
  /// Of all tables together. Enough for 8 TiB in pages of 4096 bytes; stops a stream that speaks of
  /// pages far apart from taking a chunk for each.
  static constexpr uint64_t kMostBytes = 4ull << 30;
  static Error too_large(const Page& page);

  using Chunk = std::array<PageEntry, kChunkPages>;

  explicit PageTable(uint32_t page_size) : page_size_(page_size) {}

  PageEntry& at(uint64_t offset);
  PageEntry get(uint64_t offset) const;

  uint32_t page_size() const { return page_size_; }
  void set_page_size(uint32_t page_size);

  /// By the number of the chunk's first page divided by kChunkPages.
  const std::map<uint64_t, std::unique_ptr<Chunk>>& chunks() const { return chunks_; }
  uint64_t bytes() const { return chunks_.size() * sizeof(Chunk); }

 private:
  std::map<uint64_t, std::unique_ptr<Chunk>> chunks_;
  Chunk* last_ = nullptr;  // pages come in runs
  uint64_t last_number_ = 0;
  uint32_t page_size_;
};

/// The size of the pages that a record shows, given what was believed before: a page that begins
/// where none could refutes a guess that was too large, a page with data one that was too small.
uint32_t refine_page_size(const Page& page, uint32_t believed);

}  // namespace vmstream::analysis
