// SPDX-License-Identifier: MIT
#include "guest/restore/discard_ledger.h"

#include <fmt/format.h>

#include <algorithm>

#include <vmstream/text.h>
#include "format/ram/ram_records.h"
#include "format/wire.h"

namespace vmstream {
namespace {

constexpr uint64_t kMaxPages = uint64_t{1} << 29;  // 64 MiB of bits: 2 TiB of guest memory
// Releases up to 5.2 discard some pages twice. A range of 16 bytes may speak of all pages.
constexpr uint64_t kMaxDiscarded = 4 * kMaxPages;

}  // namespace

Result<DiscardLedger::Lost*> DiscardLedger::find_or_add(std::string_view name,
                                                        const std::vector<RamBlock>& blocks,
                                                        uint32_t page_bytes, uint64_t at) {
  if (auto found = lost_.find(name); found != lost_.end()) return &found->second;
  auto block = std::ranges::find(blocks, name, &RamBlock::name);
  if (block == blocks.end()) {
    return malformed(
        at, fmt::format("pages of block '{}' are discarded, which is not listed", escape(name)));
  }
  uint64_t pages = block->used_length / page_bytes + (block->used_length % page_bytes != 0);
  if (pages > kMaxPages - bits_) {
    return Error{
        Errc::Unsupported,
        fmt::format("pages are discarded of blocks of more than {} pages, the limit", kMaxPages),
        at};
  }
  bits_ += pages;
  Lost lost{std::vector<bool>(static_cast<size_t>(pages)), page_bytes, block->used_length};
  return &lost_.emplace(block->name, std::move(lost)).first->second;
}

Status DiscardLedger::discard(const Command& command, const std::vector<RamBlock>& blocks,
                              uint32_t page_bytes) {
  auto discard = read_ram_discard(command);
  if (!discard) return discard.error();
  auto lost = find_or_add(discard->block, blocks, page_bytes, command.offset);
  if (!lost) return lost.error();
  for (auto [start, length] : discard->ranges) {
    uint64_t size = (*lost)->block_bytes;
    bool inside = start <= size && length <= size - start;
    if (!inside || start % page_bytes != 0 || length % page_bytes != 0) {
      return malformed(command.offset,
                       fmt::format("{:#x} bytes at {:#x} of block '{}' ({:#x} bytes) cannot be "
                                   "discarded",
                                   length, start, escape(discard->block), size));
    }
    discarded_ += length / page_bytes;
    if (discarded_ > kMaxDiscarded) {
      return Error{Errc::Unsupported,
                   fmt::format("more than {} pages are discarded, the limit", kMaxDiscarded),
                   command.offset};
    }
    auto first = (*lost)->pages.begin() + static_cast<ptrdiff_t>(start / page_bytes);
    std::fill_n(first, length / page_bytes, true);
  }
  return ok();
}

void DiscardLedger::arrive(const Page& page) {
  if (lost_.empty() || !page.block || page.kind == PageKind::Xbzrle) return;
  auto found = lost_.find(page.block->name);
  if (found == lost_.end()) return;
  uint64_t index = page.block_offset / found->second.page_bytes;
  if (index < found->second.pages.size()) found->second.pages[static_cast<size_t>(index)] = false;
}

Status DiscardLedger::check() const {
  uint64_t missing = 0;
  std::string first;
  for (const auto& [name, lost] : lost_) {
    auto count = static_cast<uint64_t>(std::ranges::count(lost.pages, true));
    if (count > 0 && missing == 0) {
      auto at = std::ranges::find(lost.pages, true) - lost.pages.begin();
      first = fmt::format("{:#x} of block '{}'", static_cast<uint64_t>(at) * lost.page_bytes,
                          escape(name));
    }
    missing += count;
  }
  if (missing == 0) return ok();
  return Error{.code = Errc::Truncated,
               .message = fmt::format("{} pages that the source discarded never came again, the "
                                      "first {}",
                                      missing, first),
               .hint =
                   "a postcopy migration with postcopy-preempt sends pages over a second "
                   "connection, which this file does not hold"};
}

}  // namespace vmstream
