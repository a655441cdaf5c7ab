// SPDX-License-Identifier: MIT
#include "state/multifd/main_facts.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>

#include "format/ram/target_page.h"

#include <vmstream/vmdesc.h>

namespace vmstream {

bool NumberSet::insert(uint64_t number) {
  uint64_t key = number / kChunkNumbers;
  if (last_ == nullptr || key != last_key_) {
    last_ = &chunks_[key];
    last_key_ = key;
  }
  uint64_t& word = (*last_)[static_cast<size_t>(number % kChunkNumbers / kWordBits)];
  uint64_t bit = uint64_t{1} << (number % kWordBits);
  if ((word & bit) != 0) return false;
  word |= bit;
  ++size_;
  end_ = std::max(end_, number + 1);
  return true;
}

uint64_t NumberSet::first_missing() const {
  uint64_t expected = 0;  // the chunk's key
  for (const auto& [key, chunk] : chunks_) {
    if (key != expected) break;
    auto open = std::ranges::find_if(chunk, [](uint64_t word) { return ~word != 0; });
    if (open != chunk.end()) {
      auto place = static_cast<uint64_t>(open - chunk.begin());
      return key * kChunkNumbers + place * kWordBits +
             static_cast<uint64_t>(std::countr_one(*open));
    }
    ++expected;
  }
  return expected * kChunkNumbers;
}

Status MainFacts::on_configuration(const Configuration& configuration) {
  machine_ = configuration.machine;
  uuid_ = configuration.uuid;
  certain_page_bytes_ = certain_page_bytes(&configuration, "");
  return ok();
}

// Idstrs of devices end with the name of their kind, behind a path.
Status MainFacts::on_section(const SectionHeader& header) {
  for (std::string_view kind : {"virtio-balloon", "virtio-mem"}) {
    may_lack_pages_ |= header.idstr.find(kind) != std::string::npos;
  }
  return ok();
}

Status MainFacts::on_ram_blocks(const RamBlockList& list) {
  if (blocks_.empty()) {
    if (!certain_page_bytes_) certain_page_bytes_ = certain_page_bytes(list);
    page_bytes_ = certain_page_bytes_.value_or(guess_page_bytes(machine_));
  }
  for (size_t i = blocks_.size(); i < list.blocks.size(); ++i) {
    const RamBlock& block = list.blocks[i];
    by_name_.emplace(block.name, blocks_.size());
    blocks_.push_back({.name = block.name,
                       .bytes = block.used_length,
                       .may_be_shared = block.guest_address.has_value()});
  }
  return ok();
}

Status MainFacts::on_page(const Page& page) {
  ++(page.kind == PageKind::Zero ? zero_pages_ : pages_);
  SentBlock* block = page.block ? find(page.block->name) : nullptr;
  if (block == nullptr || page.block_offset >= block->bytes) return ok();
  // Too many pages end the check of the channels; the stream itself can be read.
  if (within_limit_) {
    [[maybe_unused]] auto sent = send(*block, page.block_offset);
  }
  return ok();
}

Status MainFacts::on_ram_mark(RamMark mark, uint64_t) {
  if (mark == RamMark::EndOfSlice) ++slices_;
  if (mark == RamMark::MultifdFlush) ++flushes_;
  return ok();
}

Status MainFacts::on_eof(uint64_t) {
  ended_ = true;
  return ok();
}

uint64_t MainFacts::syncs() const {
  if (!ended_) return 0;
  return flushes_ > 0 ? flushes_ : slices_;
}

Status MainFacts::on_vmdesc(const VmdescRecord& record) {
  if (!record.description->fault()) told_page_bytes_ = record.description->page_size();
  return ok();
}

Status MainFacts::check_page_bytes() const {
  constexpr uint32_t kLeast = 256;
  constexpr uint32_t kMost = 64 * 1024;
  bool sane = std::has_single_bit(page_bytes_) && page_bytes_ >= kLeast && page_bytes_ <= kMost;
  bool told = certain_page_bytes_ || told_page_bytes_ == 0 || told_page_bytes_ == page_bytes_;
  if (sane && told) return ok();
  return Error{Errc::Unsupported,
               fmt::format("pages of {} bytes, wanted {}: the channels cannot be read",
                           told ? page_bytes_ : told_page_bytes_,
                           told ? "a power of 2 from 256 to 65536"
                                : fmt::format("{}, as other machines have", page_bytes_))};
}

SentBlock* MainFacts::find(std::string_view name) {
  auto found = by_name_.find(name);
  return found == by_name_.end() ? nullptr : &blocks_[found->second];
}

Status MainFacts::send(SentBlock& block, uint64_t offset) {
  uint64_t before = block.pages.bytes();
  block.pages.insert(offset / page_bytes_);
  set_bytes_ += block.pages.bytes() - before;
  if (set_bytes_ <= most_bytes_) return ok();
  within_limit_ =
      Error{Errc::Unsupported,
            fmt::format("to know which pages came takes more than {} bytes", most_bytes_)};
  return within_limit_;
}

}  // namespace vmstream
