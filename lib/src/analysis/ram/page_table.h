// SPDX-License-Identifier: MIT
// A few bits about each page of a block: how it was sent last, and how often.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <map>
#include <vector>

#include <vmstream/format.h>
#include <vmstream/result.h>

namespace vmstream {

/// How a page was sent. Two bytes: the times are counted up to kMostTimes and then no further.
class PageEntry {
 public:
  static constexpr unsigned kMostTimes = 8191;

  bool operator==(const PageEntry&) const = default;
  unsigned times() const { return bits_ >> 3; }
  /// Of the record that came last; asked only where is_there().
  PageKind kind() const { return static_cast<PageKind>(bits_ & kKindMask); }
  /// Whether it was sent, and not taken back since.
  bool is_there() const { return times() > 0 && (bits_ & kKindMask) != kDiscarded; }
  void send(PageKind kind) {
    unsigned times = this->times() < kMostTimes ? this->times() + 1 : kMostTimes;
    bits_ = static_cast<uint16_t>((times << 3) | static_cast<unsigned>(kind));
  }
  void discard() { bits_ |= kDiscarded; }

 private:
  static constexpr uint16_t kKindMask = 7;
  static constexpr uint16_t kDiscarded = 7;  // none of PageKind

  uint16_t bits_ = 0;
};
static_assert(sizeof(PageEntry) == 2);

/// Entries by the page's place in its block, in runs of equal ones. Only the chunk of pages spoken
/// of last is spread out: pages come in runs.
///
/// Memory: 4 bytes a run and 100 for each chunk of 1024 pages of which one was sent; at worst,
/// where no two neighbours are alike, a little over 4 bytes a page.
///
/// The page size is a guess at first; a better one moves the entries, and none is lost as long as
/// every place was a multiple of both.
class PageTable {
 public:
  static constexpr size_t kChunkPages = 1024;
  /// Of all tables together. Stops a stream that speaks of pages far apart from taking a chunk for
  /// each.
  static constexpr uint64_t kMostBytes = 4ull << 30;
  static Error too_large(const Page& page);

  explicit PageTable(uint32_t page_size) : page_size_(page_size) {}

  /// Valid until the next call.
  PageEntry& at(uint64_t offset);
  PageEntry get(uint64_t offset) const;
  /// Of the pages that were sent, those in a range of bytes are there no more.
  void discard(uint64_t start, uint64_t length);

  uint32_t page_size() const { return page_size_; }
  void set_page_size(uint32_t page_size);

  /// Runs of pages that were sent, in order: number of the first page, count, what is known.
  using RunReceiver = std::function<void(uint64_t first, uint64_t count, PageEntry entry)>;
  void each_run(const RunReceiver& receiver) const;
  bool is_empty() const { return chunks_.empty(); }
  uint64_t bytes() const { return chunks_.size() * kChunkBytes + run_bytes_; }

 private:
  static constexpr uint64_t kNoChunk = UINT64_MAX;
  static constexpr uint64_t kChunkBytes = 100;  // a node of the map and the head of a vector

  struct Run {
    uint16_t count = 0;
    PageEntry entry;
  };
  using Runs = std::vector<Run>;

  void open(uint64_t number);
  void close();

  std::map<uint64_t, Runs> chunks_;  // by the number of the first page / kChunkPages
  uint64_t run_bytes_ = 0;
  std::array<PageEntry, kChunkPages> open_{};  // its runs in chunks_ are out of date
  uint64_t open_number_ = kNoChunk;
  uint32_t page_size_;
};

/// The size of the pages that records show: a page that begins where none could refutes a guess
/// that was too large, a page with data one that was too small.
class PageSizeGuess {
 public:
  /// True where the record tells another size than was believed.
  bool refine(const Page& page);
  /// 0 before the first record.
  uint32_t bytes() const { return bytes_; }

 private:
  // Each change moves all entries of all tables. Only a stream that contradicts itself has more.
  static constexpr unsigned kMostChanges = 32;

  uint32_t judge(const Page& page) const;

  uint32_t bytes_ = 0;
  unsigned changes_ = 0;
};

}  // namespace vmstream
