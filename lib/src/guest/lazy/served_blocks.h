// SPDX-License-Identifier: MIT
// The RAM blocks of a guest as its destination takes them, and what of them has been delivered.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <vmstream/qmp.h>
#include <vmstream/state_index.h>

namespace vmstream {

/// Host page size in bytes of each of the destination's RAM blocks.
using HostPages = std::map<std::string, uint64_t, std::less<>>;

/// Reads what the monitor command `info ramblock` prints.
HostPages parse_host_pages(std::string_view text);
/// Asks the destination; empty where it does not say.
HostPages query_host_pages(QmpClient& qmp);

/// A block is filled unit by unit: a unit is a host page, or a target page where that is larger.
struct ServedBlock {
  std::string name;
  uint64_t pages = 0;       ///< target pages
  uint64_t unit_pages = 1;  ///< target pages in a unit
  uint64_t unit_bytes = 0;
  bool is_huge = false;  ///< made of pages larger than the host's common ones

  uint64_t unit_count() const { return (pages + unit_pages - 1) / unit_pages; }
  /// Target pages of the unit; the block's end may cut the last.
  uint64_t pages_of(uint64_t unit) const {
    uint64_t first = unit * unit_pages;
    return first + unit_pages <= pages ? unit_pages : pages - first;
  }
};

/// The blocks of the index, in its order. A block that the destination does not name has the host's
/// common page size. Errc::Unsupported where a page is larger than kMostUnitBytes, or
/// there are more than kMostUnits.
Result<std::vector<ServedBlock>> served_blocks(const StateIndex& index,
                                               const HostPages& host_pages);
inline constexpr uint64_t kMostUnits = uint64_t{1}
                                       << 31;          ///< of all blocks; three bits each are kept
inline constexpr uint64_t kMostUnitBytes = 16u << 20;  ///< kept in memory as a whole

/// Consecutive units of one block.
struct UnitRange {
  size_t block = 0;
  uint64_t unit = 0;
  uint64_t count = 0;
  bool operator==(const UnitRange&) const = default;
};

/// Which units have been delivered: none may be sent twice, QEMU ends when that happens. Counts
/// what is left of the units that have to be delivered, which are those that hold more than zeros.
class DeliveryLedger {
 public:
  explicit DeliveryLedger(const std::vector<ServedBlock>& blocks);

  /// Says that these units must be delivered sooner or later.
  void want(const UnitRange& range);
  bool is_delivered(size_t block, uint64_t unit) const { return delivered_[block][unit]; }
  bool is_wanted(size_t block, uint64_t unit) const { return wanted_[block][unit]; }
  void mark(size_t block, uint64_t unit);
  /// Marks the units of which the destination has every page. False where the bitmap is too short.
  bool mark_received(size_t block, const ServedBlock& shape, std::span<const std::byte> bitmap);

  /// Of wanted units that are not delivered.
  uint64_t left_bytes() const { return left_bytes_; }

 private:
  std::vector<std::vector<bool>> delivered_;
  std::vector<std::vector<bool>> wanted_;
  std::vector<uint64_t> unit_bytes_;
  uint64_t left_bytes_ = 0;
};

/// The units that hold more than zeros, in the order in which their pages stand in the file.
std::vector<UnitRange> units_in_file_order(const PageMap& map,
                                           const std::vector<ServedBlock>& blocks);

}  // namespace vmstream
