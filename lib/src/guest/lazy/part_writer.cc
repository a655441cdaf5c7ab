// SPDX-License-Identifier: MIT
#include "guest/lazy/part_writer.h"

#include "base/zero.h"
#include "format/ram/ram_records.h"

namespace vmstream {

void PartWriter::open(SectionType type) {
  out_.push_back(static_cast<std::byte>(type));
  append_be(out_, section_.section_id);
  is_open_ = true;
  last_block_.clear();
}

void PartWriter::close() {
  if (!is_open_) return;
  append_ram_mark(out_, RamMark::EndOfSlice);
  if (section_.footer) append_footer(out_, section_.section_id);
  is_open_ = false;
}

Status PartWriter::add(const ServedBlock& block, uint64_t unit, std::span<const std::byte> pages) {
  if (!is_open_) open(SectionType::Part);
  RamBlock named{.name = block.name};
  uint64_t offset = unit * block.unit_bytes;
  for (; !pages.empty(); pages = pages.subspan(page_size_), offset += page_size_) {
    auto content = pages.first(page_size_);
    Page page{.block = &named, .block_offset = offset, .continued = last_block_ == block.name};
    if (!is_zero(content)) {
      page.kind = PageKind::Data;
      page.payload = content;
    }
    if (auto written = append_page(out_, page); !written) return written;
    if (!page.continued) last_block_ = block.name;
  }
  return ok();
}

void PartWriter::end_stream() {
  open(SectionType::End);
  close();
  out_.push_back(static_cast<std::byte>(SectionType::Eof));
}

}  // namespace vmstream
