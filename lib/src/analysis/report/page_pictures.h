// SPDX-License-Identifier: MIT
// What the pages of each RAM block hold: nothing, one byte repeated, or data and how random it is.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include <vmstream/visitor.h>
#include "analysis/report/png.h"

namespace vmstream {

/// One RAM block in slots of slot_bytes, each as the page that was sent last of it.
struct BlockPages {
  std::string name;  ///< not escaped
  uint64_t size = 0;
  uint64_t slot_bytes = 0;
  std::vector<uint8_t> slots = {};  ///< empty until a page comes

  // What a slot holds. From kData on: data with an entropy of (slot - kData) / kSteps of 8 bits.
  static constexpr uint8_t kAbsent = 0;
  static constexpr uint8_t kZero = 1;
  static constexpr uint8_t kConstant = 2;
  static constexpr uint8_t kData = 3;
  static constexpr uint8_t kSteps = 252;
};

/// Collects them.
class PagePictures final : public StreamVisitor {
 public:
  static constexpr size_t kMostSlots = 1u << 20;  ///< of a block; also its memory in bytes
  static constexpr size_t kMostBlocks = 64;

  const std::vector<BlockPages>& blocks() const { return blocks_; }

  Status on_ram_blocks(const RamBlockList& list) override;
  Status on_page(const Page& page) override;

 private:
  BlockPages* find(const RamBlock* block);
  void add(std::string name, uint64_t size);
  uint8_t judge(std::span<const std::byte> bytes);

  std::vector<BlockPages> blocks_;
  std::unordered_map<std::string, size_t> by_name_;
  const RamBlock* last_ = nullptr;
  BlockPages* last_pages_ = nullptr;
  std::vector<float> n_log_n_;  // of a page's bytes
  std::vector<std::byte> unpacked_;
};

/// At most 512 by 128 cells, from the block's start in rows; each as most of its slots are.
Bitmap picture_of_kinds(const BlockPages& block);
/// The same in the colors of the mean entropy of each cell's data.
Bitmap picture_of_entropy(const BlockPages& block);
/// Bytes of the block that a cell stands for.
uint64_t cell_bytes(const BlockPages& block);

}  // namespace vmstream
