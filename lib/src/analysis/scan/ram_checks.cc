// SPDX-License-Identifier: MIT
#include "analysis/scan/part_checks.h"

#include <fmt/format.h>

#include <utility>

#include <vmstream/text.h>
#include "analysis/scan/known_names.h"
#include "format/ram/packed_page.h"
#include "format/ram/ram_records.h"
#include "format/ram/target_page.h"

namespace vmstream {

void RamChecks::on_configuration(const Configuration& configuration) {
  has_configuration_ = true;
  memory_.on_configuration(configuration);
  page_bytes_ = certain_page_bytes(&configuration, "");
}

// The list of a mapped-ram stream is shown again with each of its blocks.
void RamChecks::on_ram_blocks(const RamBlockList& list) {
  memory_.on_ram_blocks(list);
  for (; blocks_seen_ < list.blocks.size(); ++blocks_seen_) {
    const RamBlock& block = list.blocks[blocks_seen_];
    if (!is_printable(block.name)) {
      log_.tell(block.offset, fmt::format("the name of RAM block '{}' holds characters that no "
                                          "QEMU uses",
                                          escape(block.name)));
    } else if (is_damaged_block(block.name)) {
      log_.tell(block.offset,
                fmt::format("no QEMU has a RAM block of the name '{}'", escape(block.name)));
    }
    if (!block.mapped || block.mapped->page_size == 0) continue;
    check_mapped(block);
    check_place(block);
  }
}

// The bitmap stands behind its header, which tells where that is in the file. All blocks agree, or
// the parser says so: the first one speaks for them.
void RamChecks::check_place(const RamBlock& block) {
  auto place = std::exchange(stream_place_, std::nullopt);
  std::vector<std::byte> entry;
  if (!place || block.mapped->bitmap_offset == 0 || !append_block_entry(entry, block)) return;
  uint64_t wanted = *place + block.offset + entry.size();
  if (block.mapped->bitmap_offset == wanted) return;
  log_.tell(block.offset,
            fmt::format("mapped-ram block '{}': its bitmap is said to be at {:#x} of the file, it "
                        "is at {:#x}",
                        escape(block.name), block.mapped->bitmap_offset, wanted),
            LoadEffect::Ignored);
}

// QEMU wants the pages at a multiple of 1 MiB and believes the rest of what the header says.
void RamChecks::check_mapped(const RamBlock& block) {
  constexpr uint64_t kAlignment = 1u << 20;
  const MappedRam& mapped = *block.mapped;
  auto tell = [&](std::string what, LoadEffect effect) {
    log_.tell(block.offset, fmt::format("mapped-ram block '{}': {}", escape(block.name), what),
              effect);
  };
  if (mapped.version == 0) tell("its header has version 0", LoadEffect::Ignored);
  if (mapped.pages_offset % kAlignment != 0) {
    tell(fmt::format("pages at {:#x}, wanted a multiple of {:#x}", mapped.pages_offset, kAlignment),
         LoadEffect::Refused);
  }
  if (!page_bytes_) page_bytes_ = mapped.page_size;
  if (mapped.page_size != *page_bytes_) {
    tell(fmt::format("pages of {} bytes, others have {}", mapped.page_size, *page_bytes_),
         LoadEffect::Ignored);
  }
}

void RamChecks::on_page(const Page& page) {
  memory_.on_page(page);
  switch (page.kind) {
    case PageKind::Xbzrle:
      return check_delta(page);
    case PageKind::Compressed:
      return check_packed(page);
    case PageKind::Fill:
      return keep_fill(page);
    case PageKind::Zero:
    case PageKind::Data:
      break;
  }
}

void RamChecks::on_ram_mark(RamMark mark, uint64_t offset) {
  if (mark == RamMark::Hook) {
    log_.require(offset, "RDMA transferred the RAM; it is not in the stream", LoadEffect::Refused);
  } else if (mark == RamMark::MultifdFlush && !channels_at_hand_) {
    log_.require(offset,
                 "the RAM was sent over several channels (multifd), of which this stream is but "
                 "one: without the others it cannot be loaded",
                 LoadEffect::Depends);
  }
}

// An empty delta is none that a sender writes, but one that QEMU applies.
void RamChecks::check_delta(const Page& page) {
  scratch_.resize(page.size);
  bool fits = page.payload.size() <= page.size;
  if (fits && (page.payload.empty() || apply_xbzrle(page.payload, scratch_))) return;
  log_.tell(page.offset,
            fmt::format("the delta of page {:#x} cannot be applied to a page of {} bytes",
                        page.block_offset, page.size));
}

// QEMU minds what is longer than a page, and not what is shorter.
void RamChecks::check_packed(const Page& page) {
  if (log_.loads_after({9, 0})) {
    log_.require(page.offset,
                 fmt::format("QEMU {} cannot load compressed pages", to_string(*log_.loader())),
                 LoadEffect::Refused);
  }
  scratch_.resize(page.size);
  auto length = inflate_front(page.payload, scratch_);
  if (length == page.size) return;
  log_.tell(page.offset,
            fmt::format("compressed page {:#x} does not unpack to {} bytes", page.block_offset,
                        page.size),
            length ? LoadEffect::Ignored : LoadEffect::Refused);
}

void RamChecks::keep_fill(const Page& page) {
  if (fills_.size() == ProblemLog::kProblemsKept) return;
  fills_.push_back({.offset = page.offset,
                    .message = fmt::format("zero page {:#x} has the value {:#04x}; QEMU 9.0 and "
                                           "later refuse it",
                                           page.block_offset, page.fill)});
}

void RamChecks::check_memory() {
  if (channels_at_hand_ || !memory_.is_elsewhere()) return;
  log_.require(memory_.offset(),
               "the guest's memory is not in this stream: its pages went over other connections "
               "(multifd), without which it cannot be loaded",
               LoadEffect::Depends);
}

// Releases before 1.5 sent pages of one repeated byte so. Since 9.0 a load stops there; in between
// QEMU fills the page with what no sender wrote.
void RamChecks::finish(bool is_new, bool is_old) {
  if (fills_.empty()) return;
  auto effect = is_old ? LoadEffect::Ignored : LoadEffect::Depends;
  if (log_.loader()) effect = log_.loads_before({9, 0}) ? LoadEffect::Ignored : LoadEffect::Refused;
  if (is_new) effect = LoadEffect::Refused;
  if (!has_configuration_) {
    return log_.require(fills_.front().offset,
                        "zero pages stand for other values, too; QEMU 9.0 and later refuse them",
                        effect);
  }
  for (Problem& fill : fills_) {
    fill.effect = effect;
    log_.tell(std::move(fill));
  }
}

}  // namespace vmstream
