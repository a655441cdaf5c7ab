// SPDX-License-Identifier: MIT
// The physical map of boards, by the table.
#include <algorithm>

#include "analysis/physical/board_table.h"
#include "analysis/physical/map_builder.h"

namespace vmstream {
namespace {

constexpr std::string_view kLoongarch = "loongarch.ram";
constexpr uint64_t kLoongarchLow = 0x10000000;

// Memory of LoongArch goes on at one of two addresses: the later one came with QEMU 7.2's
// successors, in which the flash has the name that other boards use.
Status put_loongarch_high(MapBuilder& map) {
  const MemoryBlock* block = map.facts.find(kLoongarch);
  if (block == nullptr || block->bytes <= kLoongarchLow) return ok();
  uint64_t address = map.facts.find("virt.flash0") != nullptr ? 0x80000000 : 0x90000000;
  return map.put(*block, kLoongarchLow, block->bytes - kLoongarchLow, address, MemoryKind::Ram,
                 PlaceProof::Table);
}

// The two flash devices of "virt" boards are at different places.
Status put_virt_flash(MapBuilder& map) {
  uint64_t address = 0;
  if (map.facts.find("riscv_virt_board.mrom")) address = 0x20000000;
  if (map.facts.find(kLoongarch)) address = 0x1c000000;
  for (std::string_view name : {"virt.flash0", "virt.flash1"}) {
    const MemoryBlock* block = map.facts.find(name);
    if (block == nullptr) continue;
    auto put = map.put(*block, 0, block->bytes, address, MemoryKind::Rom, PlaceProof::Table);
    if (!put) return put;
    address += block->bytes;
  }
  return ok();
}

Result<bool> put_table(MapBuilder& map) {
  bool has_memory = false;
  for (const BoardPlace& place : board_places()) {
    const MemoryBlock* block = map.facts.find(place.block);
    if (block == nullptr || !map.facts.machine.starts_with(place.machine)) continue;
    if (place.offset >= block->bytes) continue;
    uint64_t length = std::min(block->bytes - place.offset, place.most);
    auto put = map.put(*block, place.offset, length, place.address, place.kind, PlaceProof::Table);
    if (!put) return put.error();
    has_memory = has_memory || place.kind == MemoryKind::Ram;
  }
  return has_memory;
}

// Main memory under the name that its user gave it.
Result<bool> put_backend(MapBuilder& map) {
  for (const BackendPlace& place : backend_places()) {
    if (map.facts.find(place.mark) == nullptr) continue;
    auto blocks = map.candidates();
    if (blocks.size() != 1) return false;
    auto put =
        map.put(blocks[0], 0, blocks[0].bytes, place.address, MemoryKind::Ram, PlaceProof::Table);
    if (!put) return put.error();
    return true;
  }
  return false;
}

}  // namespace

Result<bool> place_board(MapBuilder& map) {
  if (auto put = put_virt_flash(map); !put) return put.error();
  auto found = put_table(map);
  if (!found) return found;
  if (!*found) found = put_backend(map);
  if (!found) return found;
  if (auto put = put_loongarch_high(map); !put) return put.error();
  return found;
}

}  // namespace vmstream
