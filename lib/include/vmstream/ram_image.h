// SPDX-License-Identifier: MIT
// Guest memory, page by page, out of a stream that can be read at any place.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include <vmstream/random_source.h>
#include <vmstream/result.h>
#include <vmstream/state_index.h>

namespace vmstream {

/// The memory of a saved guest. Used by one thread at a time.
///
/// The page map says where to look and is not believed: at each place the stream's own framing must
/// agree (a record of that kind, for that page, of that block where the record names one), else
/// the read fails with Errc::Malformed and nothing of the page is handed out. Deltas are applied to
/// the records before them; compressed pages must inflate to exactly one page.
/// Memory: 1 MiB besides the map.
class RamImage {
 public:
  /// `plain` is borrowed. Errc::Usage where the index has no page map, Errc::Malformed where map
  /// and facts cannot belong together.
  static Result<RamImage> make(RandomSource& plain, StateIndex index);
  /// The same of an index that several images share.
  static Result<RamImage> make(RandomSource& plain, std::shared_ptr<const StateIndex> index);
  RamImage(RamImage&&) noexcept;
  ~RamImage();

  uint32_t page_size() const;
  const std::vector<IndexedBlock>& blocks() const;
  /// By name, as it is or escaped.
  std::optional<size_t> find_block(std::string_view name) const;
  /// Pages of the block, the last of which may be cut by its end.
  uint64_t page_count(size_t block) const;
  const PageMap& map() const;
  /// How the stream sent the page last. Empty where no record tells of it: the page is absent,
  /// which is not the same as a page that was sent as zero.
  std::optional<PageKind> kind_of(size_t block, uint64_t page) const;
  /// Pages of the block that no record tells of.
  uint64_t count_absent(size_t block) const;

  /// Fills `into`, a number of whole pages, from `page` on; pages that were not sent are zero, and
  /// so is what lies behind the block's end in its last page. Returns how many were not sent.
  Result<uint64_t> read(size_t block, uint64_t page, std::span<std::byte> into);

 private:
  struct State;
  explicit RamImage(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace vmstream
