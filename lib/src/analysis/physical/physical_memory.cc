// SPDX-License-Identifier: MIT
#include <vmstream/physical_map.h>

#include <fmt/format.h>

#include <algorithm>
#include <optional>

namespace vmstream {
namespace {

constexpr size_t kKeptPages = 256;

struct KeptPage {
  std::optional<size_t> block = std::nullopt;  // empty: none is kept here
  uint64_t number = 0;
  uint64_t absent = 0;
  std::vector<std::byte> bytes = {};
};

}  // namespace

struct PhysicalMemory::State {
  const PhysicalMap* map;
  RamImage* image;
  std::vector<std::optional<size_t>> blocks;  // of the image, by range
  std::vector<KeptPage> kept = std::vector<KeptPage>(kKeptPages);

  Result<uint64_t> read_block(size_t block, uint64_t offset, std::span<std::byte> into);
  Result<const KeptPage*> keep_page(size_t block, uint64_t number);
};

Result<const KeptPage*> PhysicalMemory::State::keep_page(size_t block, uint64_t number) {
  KeptPage& page = kept[static_cast<size_t>((number ^ block * 97) % kKeptPages)];
  if (page.block == block && page.number == number) return &page;
  page.block.reset();
  page.bytes.resize(image->page_size());
  auto absent = image->read(block, number, page.bytes);
  if (!absent) return absent.error();
  page.block = block;
  page.number = number;
  page.absent = *absent;
  return &page;
}

// Whole pages go straight to where they are wanted.
Result<uint64_t> PhysicalMemory::State::read_block(size_t block, uint64_t offset,
                                                   std::span<std::byte> into) {
  const uint64_t page_bytes = image->page_size();
  uint64_t absent = 0;
  while (!into.empty()) {
    uint64_t in_page = offset % page_bytes;
    size_t whole = in_page == 0 ? into.size() / page_bytes * page_bytes : 0;
    if (whole > page_bytes) {
      auto missing = image->read(block, offset / page_bytes, into.first(whole));
      if (!missing) return missing;
      absent += *missing;
      offset += whole;
      into = into.subspan(whole);
      continue;
    }
    auto page = keep_page(block, offset / page_bytes);
    if (!page) return page.error();
    auto part = static_cast<size_t>(std::min<uint64_t>(page_bytes - in_page, into.size()));
    std::copy_n((*page)->bytes.begin() + static_cast<std::ptrdiff_t>(in_page), part, into.begin());
    absent += (*page)->absent;
    offset += part;
    into = into.subspan(part);
  }
  return absent;
}

PhysicalMemory::PhysicalMemory(const PhysicalMap& map, RamImage& image)
    : state_(std::make_unique<State>(State{&map, &image, {}})) {
  for (const PhysicalRange& range : map.ranges()) {
    auto block = image.page_size() > 0 ? image.find_block(range.block) : std::nullopt;
    bool fits = block && range.offset + range.length <= image.blocks()[*block].block.used_length;
    state_->blocks.push_back(fits ? block : std::nullopt);
  }
}
PhysicalMemory::PhysicalMemory(PhysicalMemory&&) noexcept = default;
PhysicalMemory::~PhysicalMemory() = default;

const PhysicalMap& PhysicalMemory::map() const {
  return *state_->map;
}

RamImage& PhysicalMemory::image() {
  return *state_->image;
}

Result<PhysicalReading> PhysicalMemory::read(uint64_t address, std::span<std::byte> into) {
  if (into.size() > UINT64_MAX - address) {
    return Error{Errc::Usage, fmt::format("{} bytes from {:#x} on reach past the last address",
                                          into.size(), address)};
  }
  PhysicalReading reading;
  while (!into.empty()) {
    const PhysicalRange* range = map().find_from(address);
    uint64_t hole =
        range == nullptr ? into.size() : range->address - std::min(range->address, address);
    auto part = static_cast<size_t>(std::min<uint64_t>(hole, into.size()));
    bool is_hole = part > 0;
    std::optional<size_t> block;
    if (!is_hole) {
      part = static_cast<size_t>(std::min<uint64_t>(range->end() - address, into.size()));
      block = state_->blocks[static_cast<size_t>(range - map().ranges().data())];
    }
    if (block) {
      auto absent =
          state_->read_block(*block, range->offset + (address - range->address), into.first(part));
      if (!absent) return absent.error();
      reading.absent_pages += *absent;
    } else {
      std::ranges::fill(into.first(part), std::byte{0});
      reading.hole_bytes += part;
    }
    address += part;
    into = into.subspan(part);
  }
  return reading;
}

}  // namespace vmstream
