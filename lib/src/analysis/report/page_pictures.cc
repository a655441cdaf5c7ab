// SPDX-License-Identifier: MIT
#include "analysis/report/page_pictures.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <utility>

#include "format/ram/packed_page.h"

namespace vmstream {

namespace {

constexpr uint64_t kLeastSlotBytes = 4096;
constexpr size_t kMostCells = 512 * 128;

uint64_t divide_up(uint64_t number, uint64_t by) {
  return number / by + (number % by != 0 ? 1 : 0);
}

bool repeats_one_byte(std::span<const std::byte> bytes) {
  return bytes.size() < 2 || std::memcmp(bytes.data(), bytes.data() + 1, bytes.size() - 1) == 0;
}

// How often each value is there. Four tables, as one has to wait for itself where bytes repeat.
std::array<uint32_t, 256> count_values(std::span<const std::byte> bytes) {
  std::array<std::array<uint32_t, 256>, 4> counts{};
  for (size_t i = 0; i < bytes.size(); ++i) ++counts[i & 3][std::to_integer<size_t>(bytes[i])];
  for (size_t value = 0; value < 256; ++value) {
    counts[0][value] += counts[1][value] + counts[2][value] + counts[3][value];
  }
  return counts[0];
}

}  // namespace

void PagePictures::add(std::string name, uint64_t size) {
  if (blocks_.size() == kMostBlocks || by_name_.contains(name)) return;
  uint64_t slot_bytes = kLeastSlotBytes;
  while (divide_up(size, slot_bytes) > kMostSlots) slot_bytes *= 2;
  by_name_.emplace(name, blocks_.size());
  blocks_.push_back({.name = std::move(name), .size = size, .slot_bytes = slot_bytes});
}

Status PagePictures::on_ram_blocks(const RamBlockList& list) {
  last_ = nullptr;
  last_pages_ = nullptr;
  if (list.blocks.empty() && blocks_.empty()) add("", list.total_bytes);
  for (const RamBlock& block : list.blocks) add(block.name, block.used_length);
  return ok();
}

BlockPages* PagePictures::find(const RamBlock* block) {
  if (block == nullptr) return blocks_.empty() ? nullptr : &blocks_.front();
  if (block == last_) return last_pages_;
  auto found = by_name_.find(block->name);
  last_ = block;
  last_pages_ = found == by_name_.end() ? nullptr : &blocks_[found->second];
  return last_pages_;
}

uint8_t PagePictures::judge(std::span<const std::byte> bytes) {
  if (bytes.empty()) return BlockPages::kZero;
  if (repeats_one_byte(bytes)) {
    return bytes[0] == std::byte{0} ? BlockPages::kZero : BlockPages::kConstant;
  }
  if (n_log_n_.size() != bytes.size() + 1) {
    n_log_n_.assign(bytes.size() + 1, 0);
    for (size_t n = 2; n <= bytes.size(); ++n) {
      auto number = static_cast<float>(n);
      n_log_n_[n] = number * std::log2(number);
    }
  }
  float sum = 0;
  for (uint32_t count : count_values(bytes)) sum += n_log_n_[count];
  auto total = static_cast<float>(bytes.size());
  float entropy = std::clamp((n_log_n_[bytes.size()] - sum) / total, 0.0F, 8.0F);
  return static_cast<uint8_t>(BlockPages::kData +
                              std::lround(entropy / 8 * float{BlockPages::kSteps}));
}

// A delta changes a page a little: it stays what it was.
Status PagePictures::on_page(const Page& page) {
  BlockPages* pages = find(page.block);
  if (pages == nullptr || page.block_offset >= pages->size) return ok();
  uint8_t held = BlockPages::kZero;
  switch (page.kind) {
    case PageKind::Zero:
      break;
    case PageKind::Fill:
      if (page.fill != 0) held = BlockPages::kConstant;
      break;
    case PageKind::Data:
      held = judge(page.payload);
      break;
    case PageKind::Compressed:
      unpacked_.resize(page.size);
      if (!inflate_page(page.payload, unpacked_)) return ok();
      held = judge(unpacked_);
      break;
    case PageKind::Xbzrle:
      return ok();
  }
  if (pages->slots.empty()) {
    pages->slots.resize(static_cast<size_t>(divide_up(pages->size, pages->slot_bytes)));
  }
  uint64_t count = std::max<uint64_t>(1, page.size / pages->slot_bytes);
  uint64_t first = page.block_offset / pages->slot_bytes;
  uint64_t end = std::min<uint64_t>(first + count, pages->slots.size());
  for (uint64_t slot = first; slot < end; ++slot) pages->slots[static_cast<size_t>(slot)] = held;
  return ok();
}

namespace {

struct Grid {
  size_t columns = 0;
  size_t rows = 0;
  size_t slots_per_cell = 1;
};

Grid grid_of(const BlockPages& block) {
  Grid grid;
  grid.slots_per_cell = std::max<size_t>(1, divide_up(block.slots.size(), kMostCells));
  size_t cells = divide_up(block.slots.size(), grid.slots_per_cell);
  grid.columns = 16;
  while (grid.columns < 512 && grid.columns * grid.columns / 4 < cells) grid.columns *= 2;
  grid.rows = divide_up(cells, grid.columns);
  return grid;
}

// Fills the cells by what `judge` makes of the slots of each; those past the end by the last color.
template <typename Judge>
Bitmap draw(const BlockPages& block, std::vector<Color> palette, const Judge& judge) {
  Grid grid = grid_of(block);
  Bitmap picture{.width = static_cast<uint32_t>(grid.columns),
                 .height = static_cast<uint32_t>(grid.rows)};
  auto outside = static_cast<uint8_t>(palette.size() - 1);
  picture.palette = std::move(palette);
  picture.pixels.assign(grid.columns * grid.rows, outside);
  std::span<const uint8_t> slots = block.slots;
  for (size_t cell = 0; !slots.empty(); ++cell) {
    size_t count = std::min(slots.size(), grid.slots_per_cell);
    picture.pixels[cell] = judge(slots.first(count));
    slots = slots.subspan(count);
  }
  return picture;
}

constexpr Color kOutside = {0xff, 0xff, 0xff};
constexpr Color kAbsentColor = {0xf3, 0xee, 0xf6};
constexpr Color kZeroColor = {0xdd, 0xe3, 0xe8};
constexpr Color kConstantColor = {0xf0, 0xb4, 0x4a};
constexpr Color kDataColor = {0x2b, 0x6c, 0x9b};

uint8_t most_common_kind(std::span<const uint8_t> slots) {
  std::array<size_t, 4> counts{};
  for (uint8_t slot : slots) ++counts[std::min(slot, BlockPages::kData)];
  // Of equal ones the one that tells most, which stands last.
  size_t best = 3;
  for (size_t kind = 3; kind-- > 0;) {
    if (counts[kind] > counts[best]) best = kind;
  }
  return static_cast<uint8_t>(best);
}

constexpr size_t kEntropyColors = 64;

// From pale yellow over green to dark blue.
Color entropy_color(double part) {
  constexpr std::array<Color, 5> kStops = {{{0xf7, 0xf3, 0xb8},
                                            {0xa5, 0xd9, 0xa0},
                                            {0x41, 0xb0, 0xb4},
                                            {0x2c, 0x6f, 0xb0},
                                            {0x35, 0x1c, 0x6b}}};
  double place = std::clamp(part, 0.0, 1.0) * (kStops.size() - 1);
  auto from = std::min(static_cast<size_t>(place), kStops.size() - 2);
  double share = place - static_cast<double>(from);
  Color color{};
  for (size_t i = 0; i < color.size(); ++i) {
    double low = kStops[from][i];
    double high = kStops[from + 1][i];
    color[i] = static_cast<uint8_t>(low + (high - low) * share);
  }
  return color;
}

uint8_t mean_entropy(std::span<const uint8_t> slots) {
  size_t sum = 0;
  size_t count = 0;
  for (uint8_t slot : slots) {
    if (slot < BlockPages::kData) continue;
    sum += slot - BlockPages::kData;
    ++count;
  }
  if (count == 0) return kEntropyColors;
  return static_cast<uint8_t>(sum * (kEntropyColors - 1) / (count * BlockPages::kSteps));
}

}  // namespace

Bitmap picture_of_kinds(const BlockPages& block) {
  return draw(block, {kAbsentColor, kZeroColor, kConstantColor, kDataColor, kOutside},
              most_common_kind);
}

Bitmap picture_of_entropy(const BlockPages& block) {
  std::vector<Color> palette;
  for (size_t i = 0; i < kEntropyColors; ++i) {
    palette.push_back(entropy_color(static_cast<double>(i) / (kEntropyColors - 1)));
  }
  palette.push_back({0xee, 0xf0, 0xf2});
  palette.push_back(kOutside);
  return draw(block, std::move(palette), mean_entropy);
}

uint64_t cell_bytes(const BlockPages& block) {
  return block.slot_bytes * grid_of(block).slots_per_cell;
}

}  // namespace vmstream
