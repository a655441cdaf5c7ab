// SPDX-License-Identifier: MIT
// Guest memory as a stream describes it: the last word on each page.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <vector>

#include <vmstream/visitor.h>

namespace testing {

/// Applies every page record, deltas and compressed pages included. Pages never sent are zero.
class RamReplay final : public vmstream::StreamVisitor {
 public:
  bool ignore_shared = false;  ///< shared blocks have no pages in this stream
  bool flat = false;           ///< ram version 3: addresses instead of blocks; the block is ""

  /// CRC-32 of the page, which has `page_bytes` bytes.
  uint32_t crc(const std::string& block, uint64_t offset, size_t page_bytes) const;
  bool has_pages(const std::string& block) const { return blocks_.contains(block); }

  vmstream::Status on_configuration(const vmstream::Configuration& configuration) override;
  vmstream::Status on_page(const vmstream::Page& page) override;

 private:
  using Key = std::pair<std::string, uint64_t>;
  std::map<Key, std::vector<std::byte>> pages_;  // those that are not all zero
  std::set<std::string> blocks_;
  size_t page_bytes_ = 4096;
};

}  // namespace testing
