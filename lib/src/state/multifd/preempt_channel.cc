// SPDX-License-Identifier: MIT
#include "state/multifd/preempt_channel.h"

#include <fmt/format.h>

#include <algorithm>

#include "format/wire.h"

namespace vmstream {

Status PreemptChannel::begin(std::span<const std::byte> front, uint32_t ram_section_id) {
  Bytes head;
  auto built = append_section_header(
      head, {.type = SectionType::Part, .section_id = ram_section_id, .idstr = {}});
  if (!built) return built;
  front_bytes_ = front.size() + head.size();
  if (auto fed = parser_.feed(front); !fed) return fed;
  auto fed = parser_.feed(head);
  in_channel_ = true;
  return fed;
}

Status PreemptChannel::on_ram_mark(RamMark mark, uint64_t offset) {
  if (!in_channel_) return ok();
  if (mark == RamMark::EndOfSlice) {
    end_mark_ = offset - front_bytes_;
    return ok();
  }
  return malformed(offset, "a mark of the ram section, wanted pages only");
}

Result<bool> PreemptChannel::append_some(Bytes& out) {
  auto bytes = source_->next();
  if (!bytes) return bytes.error();
  if (bytes->empty()) {
    if (auto whole = check_end(); !whole) return whole.error();
    return false;
  }
  auto fed = end_mark_ ? ok() : parser_.feed(*bytes);
  append_bytes(held_, *bytes);
  if (uint64_t end = mark_end(); end_mark_ && given_bytes_ + held_.size() > end) {
    return malformed(end, "bytes behind the end mark, wanted none");
  }
  if (!fed) return fault_of(fed.error());
  give_records(out);
  return true;
}

// Whole ones only: what has begun may be the end mark.
void PreemptChannel::give_records(Bytes& out) {
  uint64_t whole = std::max(parser_.confirmed_offset(), front_bytes_ + given_bytes_) - front_bytes_;
  uint64_t end = end_mark_.value_or(whole);
  auto count = static_cast<size_t>(end - given_bytes_);
  append_bytes(out, std::span(held_).first(count));
  held_.erase(held_.begin(), held_.begin() + static_cast<ptrdiff_t>(count));
  given_bytes_ = end;
}

uint64_t PreemptChannel::mark_end() const {
  return end_mark_.value_or(0) + wire::kRamWordBytes;
}

Error PreemptChannel::fault_of(const Error& error) const {
  Error fault = error;
  if (fault.offset) fault.offset = *fault.offset - std::min(*fault.offset, front_bytes_);
  return fault;
}

Status PreemptChannel::check_end() const {
  if (end_mark_ || parser_.wanted() == 0) return ok();
  return Error{Errc::Truncated, "the channel ends within a page", given_bytes_ + held_.size()};
}

}  // namespace vmstream
