// SPDX-License-Identifier: MIT
#include <vmstream/extract.h>

#include <fmt/format.h>

#include <algorithm>
#include <vector>

#include <vmstream/text.h>
#include "analysis/extract/sparse_writer.h"
#include "analysis/ram/page_table.h"
#include "format/ram/list_progress.h"
#include "format/ram/packed_page.h"
#include "format/ram/ram_records.h"
#include "format/ram/target_page.h"

namespace vmstream {
namespace {

std::string names_of(const RamBlockList& list) {
  constexpr size_t kMostShown = 20;
  std::string names;
  for (const RamBlock& block : list.blocks) {
    if (&block - list.blocks.data() == static_cast<ptrdiff_t>(kMostShown)) return names + ", …";
    names += fmt::format("{}{}", names.empty() ? "" : ", ", escape(block.name));
  }
  return names;
}

}  // namespace

struct RamExtractor::State {
  State(OutputFile& output, std::optional<std::string> block)
      : out(output), writer(output), wanted(std::move(block)) {}

  OutputFile& out;
  SparseWriter writer;
  std::optional<std::string> wanted;  // empty: the only one
  ListProgress list;
  uint64_t listed_bytes = 0;
  bool chosen = false;
  bool flat = false;
  RamImageInfo info;
  PageTable table{kUsualPageBytes};
  PageSizeGuess page_size;
  std::vector<std::byte> page;     // put together here
  const RamBlock* last = nullptr;  // pages of one block come in runs
  bool last_matches = false;
  bool any_content = false;  // of any block: else the pages went another way
  bool flushes = false;      // the marks of multifd
  bool mapped = false;
  bool may_be_shared = false;  // the sender leaves shared memory out
  bool ended = false;
  std::optional<Error> lost;  // a fault before the end of the RAM

  Status choose(std::string name, uint64_t bytes);
  bool is_chosen(const RamBlock* block);
  Status note(const Page& page_record);
  Status take(const Page& page_record);
  Result<std::span<const std::byte>> content_of(const Page& page_record, size_t size);
  uint64_t count_absent() const;
};

Status RamExtractor::State::choose(std::string name, uint64_t bytes) {
  chosen = true;
  info.block = std::move(name);
  info.bytes = bytes;
  return out.resize(bytes);
}

bool RamExtractor::State::is_chosen(const RamBlock* block) {
  if (block == nullptr) return flat;
  if (block != last) {
    last = block;
    last_matches = chosen && !flat && block->name == info.block;
  }
  return last_matches;
}

Status RamExtractor::State::note(const Page& record) {
  if (page_size.refine(record)) table.set_page_size(page_size.bytes());
  table.at(record.block_offset).send(record.kind);
  if (table.bytes() > PageTable::kMostBytes) {
    return PageTable::too_large(record);
  }
  return ok();
}

Status RamExtractor::State::take(const Page& record) {
  if (record.block_offset >= info.bytes) return ok();  // of a list that contradicts the first
  if (auto noted = note(record); !noted) return noted;
  auto size =
      static_cast<size_t>(std::min<uint64_t>(page_size.bytes(), info.bytes - record.block_offset));
  if (record.kind == PageKind::Zero) return writer.clear(record.block_offset, size);
  auto content = content_of(record, size);
  if (!content) return content.error();
  return writer.write(record.block_offset, *content);
}

Result<std::span<const std::byte>> RamExtractor::State::content_of(const Page& record,
                                                                   size_t size) {
  if (record.kind == PageKind::Data)
    return record.payload.first(std::min(size, record.payload.size()));
  page.assign(page_size.bytes(), std::byte{record.fill});
  if (record.kind == PageKind::Xbzrle) {
    if (auto read = writer.read(record.block_offset, std::span(page).first(size)); !read) {
      return read.error();
    }
    if (!apply_xbzrle(record.payload, page)) {
      return Error{Errc::Malformed, "the page's delta cannot be applied", record.offset};
    }
  } else if (record.kind == PageKind::Compressed && !inflate_page(record.payload, page)) {
    return Error{Errc::Malformed,
                 fmt::format("the compressed page does not inflate to {} bytes", page_size.bytes()),
                 record.offset};
  }
  return std::span<const std::byte>(page).first(size);
}

uint64_t RamExtractor::State::count_absent() const {
  uint64_t pages = info.bytes / table.page_size() + (info.bytes % table.page_size() != 0 ? 1 : 0);
  table.each_run([&](uint64_t, uint64_t count, const PageEntry& entry) {
    if (entry.is_there()) pages -= count;
  });
  return pages;
}

RamExtractor::RamExtractor(OutputFile& out, std::optional<std::string> block)
    : state_(std::make_unique<State>(out, std::move(block))) {}
RamExtractor::~RamExtractor() = default;

// A mapped-ram stream shows the list again with each block: only the whole list can lack one.
Status RamExtractor::on_ram_blocks(const RamBlockList& list) {
  State& state = *state_;
  state.last = nullptr;
  if (state.chosen) return ok();
  if (list.blocks.empty()) {
    state.flat = true;
    return state.choose("", list.total_bytes);
  }
  state.mapped = list.blocks.back().mapped.has_value();
  auto entries = state.list.new_entries(list);
  if (entries.size() == list.blocks.size()) state.listed_bytes = 0;
  for (const RamBlock& block : entries) state.listed_bytes += block.used_length;
  bool whole_list = state.listed_bytes >= list.total_bytes;
  for (const RamBlock& block : entries) {
    bool fits = state.wanted ? block.name == *state.wanted || escape(block.name) == *state.wanted
                             : whole_list && list.blocks.size() == 1;
    if (!fits) continue;
    state.may_be_shared = block.guest_address.has_value();
    return state.choose(block.name, block.used_length);
  }
  if (!state.wanted && list.blocks.size() == 1) {
    // Its pages may come before it is known to be the only one.
    return Error{Errc::Usage, fmt::format("which block? name one with --block, such as {}",
                                          escape(list.blocks[0].name))};
  }
  if (!whole_list) return ok();
  if (!state.wanted) {
    return Error{Errc::Usage, fmt::format("which block? there are {}", names_of(list))};
  }
  return Error{Errc::Usage, fmt::format("there is no RAM block '{}'; there are {}",
                                        escape(*state.wanted), names_of(list))};
}

Status RamExtractor::on_page(const Page& page) {
  if (page.kind != PageKind::Zero) state_->any_content = true;
  return state_->is_chosen(page.block) ? state_->take(page) : ok();
}

Status RamExtractor::on_ram_mark(RamMark mark, uint64_t) {
  if (mark == RamMark::MultifdFlush) state_->flushes = true;
  return ok();
}

// What the source took back reads as zero until it comes again.
Status RamExtractor::on_command(const Command& command) {
  State& state = *state_;
  if (command.type != CommandType::PostcopyRamDiscard || !state.chosen) return ok();
  auto discarded = read_ram_discard(command);
  if (!discarded) return discarded.error();
  if (discarded->block != state.info.block) return ok();
  for (auto [start, length] : discarded->ranges) {
    start = std::min(start, state.info.bytes);
    length = std::min(length, state.info.bytes - start);
    state.table.discard(start, length);
    if (auto cleared = state.writer.clear(start, length); !cleared) return cleared;
  }
  return ok();
}

Status RamExtractor::on_section_end(const SectionHeader& header, const SectionEnd&) {
  if (header.idstr == "ram" && header.type == SectionType::End) state_->ended = true;
  return ok();
}

// A background snapshot has no END of its RAM.
Status RamExtractor::on_eof(uint64_t) {
  state_->ended = true;
  return ok();
}

Status RamExtractor::on_gap(const StreamGap& gap) {
  if (!state_->ended && !state_->lost) state_->lost = gap.fault;
  return ok();
}

Result<RamImageInfo> RamExtractor::finish() {
  State& state = *state_;
  if (state.lost) return *state.lost;
  if (!state.chosen && !state.ended) {
    return Error{Errc::Truncated, "the stream ends before its list of RAM blocks"};
  }
  if (!state.ended) return Error{Errc::Truncated, "the stream ends before its last page of RAM"};
  if (!state.chosen) return Error{Errc::Unsupported, "the stream has no RAM"};
  state.info.absent_pages = state.count_absent();
  bool shared = state.may_be_shared && state.table.is_empty() && state.info.bytes > 0;
  bool elsewhere = !state.any_content && state.info.absent_pages > 0;
  if (shared || elsewhere || (state.flushes && !state.mapped)) {
    return Error{Errc::Unsupported,
                 "the block's pages are not in this stream: they went through other channels "
                 "(multifd) or stayed in shared memory (x-ignore-shared)"};
  }
  if (auto flushed = state.writer.flush(); !flushed) return flushed.error();
  return state.info;
}

}  // namespace vmstream
