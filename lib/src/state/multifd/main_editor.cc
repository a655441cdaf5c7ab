// SPDX-License-Identifier: MIT
#include "state/multifd/main_editor.h"

#include <utility>

#include "format/ram/ram_records.h"
#include "format/wire.h"

namespace vmstream {

Status MainEditor::on_section(const SectionHeader& header) {
  in_last_slice_ = header.type == SectionType::End && header.idstr == "ram";
  return ok();
}

Status MainEditor::on_section_end(const SectionHeader& header, const SectionEnd& end) {
  if (header.type != SectionType::Start || header.idstr != "ram") return ok();
  ram_start_ = RamStart{header.section_id, end.end_offset};
  return ok();
}

// Of the record only its word is written anew, the payload stays where it is.
Status MainEditor::on_page(const Page& page) {
  if (!std::exchange(name_due_, false) || !page.continued || !page.block) return ok();
  MainEdit edit{.offset = page.offset, .length = wire::kRamWordBytes};
  Page named = page;
  named.continued = false;
  append_be(edit.bytes, page.block_offset | page_flags(named));
  auto appended = append_counted_string(edit.bytes, page.block->name);
  edits_.push_back(std::move(edit));
  return appended;
}

Status MainEditor::on_ram_mark(RamMark mark, uint64_t offset) {
  if (mark == RamMark::MultifdFlush) {
    by_marks_ = true;
    insert(offset, wire::kRamWordBytes, MainEdit::Insert::Interval);
  } else if (mark == RamMark::EndOfSlice && in_last_slice_) {
    memory_over_ = true;
    insert(offset, 0, MainEdit::Insert::Rest);
  } else if (mark == RamMark::EndOfSlice && !by_marks_) {
    insert(offset, 0, MainEdit::Insert::Interval);
  }
  return ok();
}

void MainEditor::insert(uint64_t offset, uint64_t length, MainEdit::Insert what) {
  edits_.push_back({.offset = offset, .length = length, .insert = what});
  name_due_ = true;
}

}  // namespace vmstream
