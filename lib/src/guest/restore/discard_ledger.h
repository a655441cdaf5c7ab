// SPDX-License-Identifier: MIT
// The pages that a postcopy source took back: each has to come again.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include <vmstream/format.h>
#include <vmstream/result.h>

namespace vmstream {

/// Which pages were discarded and have not come since. A bit a page, for blocks that have lost any.
class DiscardLedger {
 public:
  /// A RAM_DISCARD command. `page_bytes` is the target page size; `blocks` those of the stream.
  Status discard(const Command& command, const std::vector<RamBlock>& blocks, uint32_t page_bytes);
  /// A page has come. A delta does not bring back what it was made against.
  void arrive(const Page& page);
  bool empty() const { return lost_.empty(); }
  /// Errc::Truncated where pages are missing, with their number and the first.
  Status check() const;

 private:
  struct Lost {
    std::vector<bool> pages;
    uint32_t page_bytes = 0;
    uint64_t block_bytes = 0;
  };
  Result<Lost*> find_or_add(std::string_view name, const std::vector<RamBlock>& blocks,
                            uint32_t page_bytes, uint64_t at);

  std::map<std::string, Lost, std::less<>> lost_;
  uint64_t bits_ = 0;
  uint64_t discarded_ = 0;  // pages, each as often as it was
};

}  // namespace vmstream
