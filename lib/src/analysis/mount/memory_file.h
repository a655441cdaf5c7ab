// SPDX-License-Identifier: MIT
// A file that is made of the guest's memory, as far as it is read.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include <vmstream/memory_image.h>
#include <vmstream/physical_map.h>
#include <vmstream/random_source.h>

namespace vmstream {

/// Where the bytes of such a file come from. What no piece covers is zero.
struct MemoryLayout {
  struct Piece {
    uint64_t offset = 0;   ///< in the file
    uint64_t address = 0;  ///< in the memory
    uint64_t length = 0;
  };
  std::vector<std::byte> head = {};  ///< the file's first bytes, before all pieces
  std::vector<Piece> pieces = {};    ///< by offset, apart
  uint64_t file_bytes = 0;
};

/// Raw: the byte at an offset is that of the address.
MemoryLayout lay_out_physical(const std::vector<ImageStretch>& stretches);

class MemoryFile final : public RandomSource {
 public:
  /// Both are borrowed.
  MemoryFile(const MemoryLayout& layout, PhysicalMemory& memory)
      : layout_(layout), memory_(memory) {}

  uint64_t length() const override { return layout_.file_bytes; }
  Status read_at(uint64_t offset, std::span<std::byte> into) override;

 private:
  const MemoryLayout& layout_;
  PhysicalMemory& memory_;
};

}  // namespace vmstream
