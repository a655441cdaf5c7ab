// SPDX-License-Identifier: MIT
// Where in a stream the last word on each page of the guest stands.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <vector>

#include <vmstream/format.h>

namespace vmstream {

/// The place of one page record, in eight bytes.
///
/// `offset` is where the record's own fields begin, behind its word and the name of its block: the
/// bytes of a Data page, the repeated byte of Zero and Fill, the encoding of Xbzrle, the length of
/// Compressed. In a mapped-ram stream it is the page's place in the file, for Zero pages too. An
/// offset of 0 is no place: the page was not sent (and reads as zero).
class PagePlace {
 public:
  static constexpr uint64_t kMostOffset = (uint64_t{1} << 53) - 1;

  constexpr PagePlace() = default;
  /// `offset` is at most kMostOffset; `fill` counts for Fill only.
  constexpr PagePlace(PageKind kind, uint8_t fill, uint64_t offset)
      : bits_(offset | uint64_t{fill} << 53 | static_cast<uint64_t>(kind) << 61) {}
  /// That of a record which the parser shows.
  static constexpr PagePlace of(const Page& page) {
    constexpr uint64_t kFieldBytes[] = {1, 1, 0, 3, 4};  // in front of the payload, by kind
    bool mapped = page.offset == page.payload_offset;
    uint64_t fields = mapped ? 0 : kFieldBytes[static_cast<size_t>(page.kind)];
    uint8_t fill = page.kind == PageKind::Fill ? page.fill : uint8_t{0};
    return {page.kind, fill, (page.payload_offset - fields) & kMostOffset};
  }

  constexpr PageKind kind() const { return static_cast<PageKind>(bits_ >> 61); }
  constexpr uint8_t fill() const { return static_cast<uint8_t>(bits_ >> 53); }
  constexpr uint64_t offset() const { return bits_ & kMostOffset; }
  constexpr bool is_sent() const { return offset() != 0; }

  /// The same kind of page, `bytes` further on; the sum is at most kMostOffset.
  constexpr PagePlace later(uint64_t bytes) const {
    PagePlace place;
    place.bits_ = bits_ + bytes;
    return place;
  }
  constexpr bool operator==(const PagePlace&) const = default;

 private:
  uint64_t bits_ = 0;
};

/// Consecutive pages of a block whose records are of one kind and stand at equal distances.
struct PageRun {
  uint64_t page = 0;    ///< number of the first: its offset in the block by the page size
  uint32_t count = 0;   ///< of pages
  uint32_t stride = 0;  ///< bytes of the stream from one record's place to the next's
  PagePlace place;      ///< of the first

  uint64_t end() const { return page + count; }
  /// Of a page of the run.
  PagePlace place_of(uint64_t number) const { return place.later((number - page) * stride); }
  bool operator==(const PageRun&) const = default;
};
static_assert(sizeof(PageRun) == 24);

/// The runs of one block, by page, none overlapping another.
using PageRuns = std::deque<PageRun>;

/// A record that changes its page instead of giving it whole, and the page's record before it.
struct PageDelta {
  uint64_t offset = 0;  ///< of the Xbzrle record, as in PagePlace
  PagePlace before;     ///< at a lower offset
  bool operator==(const PageDelta&) const = default;
};

/// The place of every page of a guest, for whom the stream has been read to its end: of several
/// records of a page the last counts. A plain value of 24 bytes a run and 16 a delta.
///
/// Blocks are numbered in the order of the stream's list. Ram version 3, which has no list, counts
/// as one block.
class PageMap {
 public:
  PageMap() = default;
  /// `deltas` are by ascending offset.
  PageMap(uint32_t page_size, std::vector<PageRuns> blocks, std::deque<PageDelta> deltas);

  uint32_t page_size() const { return page_size_; }
  size_t block_count() const { return blocks_.size(); }
  const PageRuns& runs(size_t block) const { return blocks_[block]; }
  const std::deque<PageDelta>& deltas() const { return deltas_; }

  /// The run that holds the page, or else the first behind it.
  PageRuns::const_iterator find_from(size_t block, uint64_t page) const;
  /// Empty where the page was not sent.
  std::optional<PagePlace> find(size_t block, uint64_t page) const;
  /// What the Xbzrle record at `offset` is applied to; empty where the map knows no such record.
  std::optional<PagePlace> find_before(uint64_t offset) const;

  /// Pages of the block that were sent.
  uint64_t count_pages(size_t block) const;
  bool operator==(const PageMap&) const = default;

 private:
  uint32_t page_size_ = 0;
  std::vector<PageRuns> blocks_;
  std::deque<PageDelta> deltas_;
};

}  // namespace vmstream
