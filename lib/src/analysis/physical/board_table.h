// SPDX-License-Identifier: MIT
// Where the boards of QEMU have their memory, by machine type and block.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include <vmstream/physical_map.h>

namespace vmstream {

/// A stretch of addresses that shows a block. Of one block the entries of a machine stand in the
/// order of the addresses.
struct BoardPlace {
  std::string_view machine;  ///< how its type begins; empty: known by the block alone
  std::string_view block;
  uint64_t address = 0;
  uint64_t offset = 0;         ///< in the block
  uint64_t most = UINT64_MAX;  ///< bytes that are shown; the block may be shorter
  MemoryKind kind = MemoryKind::Ram;
};

/// Boards whose type or whose block's name is theirs alone.
std::span<const BoardPlace> board_places();

/// Where a board has its main memory, if that has the name of a memory backend; by a block that
/// only this board has.
struct BackendPlace {
  std::string_view mark;  ///< name of that block
  uint64_t address = 0;
};
std::span<const BackendPlace> backend_places();

}  // namespace vmstream
