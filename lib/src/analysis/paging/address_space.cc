// SPDX-License-Identifier: MIT
#include <vmstream/address_space.h>

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "analysis/paging/table_format.h"
#include "base/endian.h"

namespace vmstream {
namespace {

Result<uint64_t> read_entry(PagingMode mode, uint64_t address, const ReadPhysical& read) {
  std::array<std::byte, 8> bytes{};
  unsigned size = entry_bytes(mode);
  if (auto done = read(address, std::span(bytes).first(size)); !done) return done.error();
  return size == 4 ? read_le32(bytes, 0) : read_le64(bytes, 0);
}

bool is_no_memory(const Error& error) {
  return error.code == Errc::Unsupported;
}

constexpr uint64_t mask_of(unsigned bits) {
  return bits >= 64 ? ~0ull : (1ull << bits) - 1;
}

// Whether the tables can tell the address: its upper bits must all be as the half's are.
bool is_in(const AddressSpace::Half& half, PagingMode mode, uint64_t address) {
  uint64_t mask = mask_of(half.bits);
  if (!is_arm(mode)) {
    if (mode == PagingMode::X86Legacy || mode == PagingMode::X86Pae) return address <= mask;
    uint64_t upper = address >> (half.bits - 1);
    return upper == 0 || upper == mask_of(64 - half.bits + 1);
  }
  constexpr unsigned kChoosingBit = 55;
  uint64_t ignored = half.ignores_top_byte ? mask_of(56) : ~0ull;
  bool is_high = (address >> kChoosingBit & 1) != 0;
  uint64_t upper = address & ignored & ~mask;
  return upper == (is_high ? ignored & ~mask : 0);
}

// Walks all tables below one, depth first.
class Lister {
 public:
  Lister(PagingMode mode, bool large_pages, std::vector<TableLevel> levels,
         const ReadPhysical& read, const std::function<Status(const MappedRange&)>& each,
         uint64_t& tables)
      : mode_(mode),
        large_pages_(large_pages),
        levels_(std::move(levels)),
        read_(read),
        each_(each),
        tables_(tables) {}

  Status list(size_t depth, uint64_t table, uint64_t base) {
    const TableLevel& level = levels_[depth];
    bool is_last = depth + 1 == levels_.size();
    if (++tables_ > AddressSpace::kMostTables) {
      return Error{Errc::Malformed,
                   fmt::format("there are more than {} page tables", AddressSpace::kMostTables)};
    }
    std::vector<std::byte> bytes(entry_bytes(mode_) << level.bits);
    if (auto done = read_(table, bytes); !done) {
      return is_no_memory(done.error()) ? ok() : done;
    }
    for (size_t i = 0; i < size_t{1} << level.bits; ++i) {
      uint64_t raw = entry_bytes(mode_) == 4 ? read_le32(bytes, 4 * i) : read_le64(bytes, 8 * i);
      auto entry = decode_entry(mode_, level, raw, is_last, large_pages_);
      if (!entry.present) continue;
      uint64_t address = extended(depth, base | uint64_t{i} << level.shift);
      auto done = entry.is_page ? add({address, entry.address, 1ull << level.shift})
                                : list(depth + 1, entry.address, address);
      if (!done) return done;
    }
    return ok();
  }

  Status finish() {
    if (open_.length == 0) return ok();
    auto done = each_(open_);
    open_ = {};
    return done;
  }

 private:
  // Of x86 in long mode the uppermost bit is repeated.
  uint64_t extended(size_t depth, uint64_t address) const {
    bool is_long = mode_ == PagingMode::X86Long4 || mode_ == PagingMode::X86Long5;
    unsigned bits = levels_.front().shift + levels_.front().bits;
    if (!is_long || depth > 0 || (address >> (bits - 1) & 1) == 0) return address;
    return address | ~mask_of(bits);
  }

  Status add(const MappedRange& page) {
    bool follows = open_.length > 0 && open_.address + open_.length == page.address &&
                   open_.physical + open_.length == page.physical;
    if (follows) {
      open_.length += page.length;
      return ok();
    }
    auto done = finish();
    open_ = page;
    return done;
  }

  PagingMode mode_;
  bool large_pages_;
  std::vector<TableLevel> levels_;
  const ReadPhysical& read_;
  const std::function<Status(const MappedRange&)>& each_;
  uint64_t& tables_;
  MappedRange open_;
};

}  // namespace

std::string_view name_of(PagingMode mode) {
  constexpr std::array<std::string_view, 8> kNames{
      "off",         "x86 32-bit",    "x86 PAE",        "x86 4-level",
      "x86 5-level", "aarch64 4 KiB", "aarch64 16 KiB", "aarch64 64 KiB"};
  return kNames[static_cast<size_t>(mode)];
}

const AddressSpace::Half& AddressSpace::half_of(uint64_t address) const {
  constexpr unsigned kChoosingBit = 55;
  return is_arm(mode_) && (address >> kChoosingBit & 1) != 0 ? high_ : low_;
}

Result<AddressSpace> AddressSpace::with_root(uint64_t root) const {
  if (mode_ == PagingMode::Off) {
    return Error{Errc::Usage, "the processor has paging off: a root says nothing"};
  }
  AddressSpace other = *this;
  constexpr uint64_t kPageMask = 0x000f'ffff'ffff'f000;
  constexpr uint64_t kPaeMask = 0xffff'ffe0;
  other.low_.root = root & (mode_ == PagingMode::X86Pae ? kPaeMask : kPageMask);
  if (is_arm(mode_)) other.low_.root &= 0x0000'ffff'ffff'f000;
  other.low_.enabled = true;
  return other;
}

Result<Translation> AddressSpace::translate(uint64_t address, const ReadPhysical& read) const {
  Translation done;
  if (mode_ == PagingMode::Off) {
    done.physical = address & a20_mask_;
    done.writable = done.user = done.executable = true;
    return done;
  }
  const Half& half = half_of(address);
  if (!half.enabled || !is_in(half, mode_, address)) {
    done.why_not = half.enabled ? fmt::format("the address has more than {} bits", half.bits)
                                : "this half of the address space is switched off";
    return done;
  }
  auto levels = table_levels(mode_, half.bits);
  uint64_t table = half.root;
  done.writable = done.user = done.executable = true;
  for (size_t depth = 0; depth < levels.size(); ++depth) {
    const TableLevel& level = levels[depth];
    uint64_t place = table + entry_bytes(mode_) * level.index_of(address);
    auto raw = read_entry(mode_, place, read);
    if (!raw && !is_no_memory(raw.error())) return raw.error();
    if (!raw) {
      done.why_not = fmt::format("no memory at {:#x}, where the table of level {} would be", place,
                                 level.number);
      return done;
    }
    done.steps.push_back({level.number, place, *raw});
    bool is_last = depth + 1 == levels.size();
    auto entry = decode_entry(mode_, level, *raw, is_last, large_pages_);
    if (!entry.present) {
      done.why_not = fmt::format("the entry of level {} is not present", level.number);
      return done;
    }
    done.writable = done.writable && entry.writable;
    done.user = done.user && entry.user;
    done.executable = done.executable && entry.executable;
    if (entry.is_page) {
      done.page_bytes = 1ull << level.shift;
      done.physical = entry.address | (address & (done.page_bytes - 1));
      return done;
    }
    table = entry.address;
  }
  return done;
}

Status AddressSpace::read(uint64_t address, std::span<std::byte> into,
                          const ReadPhysical& read_physical) const {
  constexpr uint64_t kWithoutPages = 4096;
  while (!into.empty()) {
    auto found = translate(address, read_physical);
    if (!found) return found.error();
    if (!found->physical) {
      return Error{Errc::Unsupported,
                   fmt::format("{:#x} is not mapped: {}", address, found->why_not)};
    }
    uint64_t page = found->page_bytes == 0 ? kWithoutPages : found->page_bytes;
    size_t length = std::min<uint64_t>(into.size(), page - (address & (page - 1)));
    if (auto done = read_physical(*found->physical, into.first(length)); !done) return done;
    into = into.subspan(length);
    address += length;
  }
  return ok();
}

Status AddressSpace::list(const ReadPhysical& read,
                          const std::function<Status(const MappedRange&)>& each) const {
  if (mode_ == PagingMode::Off) {
    return Error{Errc::Usage, "the processor has paging off: virtual addresses are physical ones"};
  }
  uint64_t tables = 0;
  for (const Half* half : {&low_, &high_}) {
    if (!half->enabled || half->bits == 0) continue;
    uint64_t base = half == &high_ ? ~mask_of(half->bits) : 0;
    Lister lister(mode_, large_pages_, table_levels(mode_, half->bits), read, each, tables);
    auto listed = lister.list(0, half->root, base);
    auto finished = lister.finish();
    if (!finished) return finished;
    if (!listed) return listed;
  }
  return ok();
}

}  // namespace vmstream
