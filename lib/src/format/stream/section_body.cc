// SPDX-License-Identifier: MIT
#include "format/stream/section_body.h"

#include <fmt/format.h>

#include <algorithm>

#include "format/records/records.h"
#include "format/wire.h"

namespace vmstream {

Status SectionBody::begin(const SectionHeader& section) {
  at_ = At::Ended;
  section_ = &section;
  bounded_by_ = BoundedBy::Format;
  if (section.idstr == "ram") {
    if (auto begun = ram_.begin(section); !begun) return begun;
    at_ = At::Ram;
    return ok();
  }
  payload_left_ = 0;
  first_record_ = true;
  last_record_ = opaque_next_ = false;
  reader_ = find_record_reader(section.idstr);
  at_ = reader_ ? At::Marked : At::Opaque;
  return ok();
}

void SectionBody::begin_counted(const SectionHeader& section, uint64_t length) {
  section_ = &section;
  bounded_by_ = BoundedBy::Length;
  payload_left_ = length;
  at_ = At::Counted;
}

Result<Step> SectionBody::step(const Window& window) {
  switch (at_) {
    case At::Ram:
      return take_ram(window);
    case At::Marked:
      return take_marked(window);
    case At::Opaque:
      return take_opaque(window);
    case At::Counted:
      return take_counted(window);
    case At::Footer:
      return take_footer(window);
    case At::Ended:
      break;
  }
  return Step{};
}

void SectionBody::take_up_footer(uint64_t offset) {
  bounded_by_ = BoundedBy::Footer;
  end_body(offset);
}

Result<Step> SectionBody::take_ram(const Window& window) {
  auto step = ram_.step(window);
  // Pages in front of a record that breaks off have been told of: they are not lost as well.
  if (step && window.last && step->consumed > 0) step->wanted = 0;
  if (!step) {
    Error fault = step.error();
    if (is_stream_fault(fault)) {
      fault.message = fmt::format("{}: {}", place_of(*section_), fault.message);
    }
    return fault;
  }
  if (step->wanted > 0 && window.last) {
    return Error{Errc::Truncated,
                 fmt::format("{}: a record needs {} bytes, {} left", place_of(*section_),
                             step->wanted, window.bytes.size() - step->consumed),
                 window.offset + step->consumed};
  }
  if (ram_.done()) end_body(window.offset + step->consumed);
  return step;
}

Result<Step> SectionBody::take_marked(const Window& window) {
  if (payload_left_ > 0) return take_payload(window);
  if (last_record_) {
    end_body(window.offset);
    return Step{};
  }
  if (opaque_next_) {
    at_ = At::Opaque;
    return Step{};
  }
  ByteReader in(window.bytes, window.offset);
  BodyRecord record = reader_(in, section_->type, first_record_);
  if (!in.ok()) return short_read(in, window);
  first_record_ = false;
  last_record_ = record.last;
  opaque_next_ = record.opaque;
  payload_left_ = record.payload_bytes;
  if (auto told = tell_oddity(record, window.offset); !told) return told.error();
  size_t consumed = consumed_by(in, window);
  if (consumed > 0) {
    auto seen = visitor_.on_body(window.offset, window.bytes.first(consumed));
    if (!seen) return seen.error();
  }
  return Step{consumed, 0};
}

Status SectionBody::tell_oddity(const BodyRecord& record, uint64_t offset) {
  if (!record.oddity) return ok();
  return visitor_.on_problem({.offset = offset,
                              .message = fmt::format("{}: {}", place_of(*section_), record.oddity),
                              .effect = LoadEffect::Ignored});
}

Result<Step> SectionBody::take_opaque(const Window& window) {
  bounded_by_ = BoundedBy::Footer;
  if (!bounds_.footers().value_or(true)) {
    return Error{Errc::Unsupported,
                 fmt::format("{}: its format is not known, and the stream has no footers",
                             place_of(*section_)),
                 window.offset};
  }
  auto found = bounds_.find_footer(section_->section_id, window);
  if (found.body_bytes > 0) {
    auto seen = visitor_.on_body(window.offset, window.bytes.first(found.body_bytes));
    if (!seen) return seen.error();
  }
  if (found.ended) {
    end_body(window.offset + found.body_bytes);
    return Step{found.body_bytes, 0};
  }
  if (!window.last) return Step{found.body_bytes, window.bytes.size() - found.body_bytes + 1};
  if (found.body_bytes > 0) return Step{found.body_bytes, 0};  // told of: not lost as well
  return Error{Errc::Truncated, fmt::format("{}: its footer is missing", place_of(*section_)),
               window.end()};
}

Result<Step> SectionBody::take_counted(const Window& window) {
  if (payload_left_ > 0) return take_payload(window);
  end_body(window.offset);
  return end_section(window, false);
}

Result<Step> SectionBody::take_payload(const Window& window) {
  auto count = static_cast<size_t>(std::min<uint64_t>(payload_left_, window.bytes.size()));
  if (count == 0) {
    if (!window.last) return Step{0, 1};
    return Error{
        Errc::Truncated,
        fmt::format("{}: {} bytes of its data are missing", place_of(*section_), payload_left_),
        window.offset};
  }
  payload_left_ -= count;
  auto seen = visitor_.on_body(window.offset, window.bytes.first(count));
  if (!seen) return seen.error();
  return Step{count, 0};
}

void SectionBody::end_body(uint64_t offset) {
  body_end_ = offset;
  at_ = At::Footer;
}

// The first section tells whether the stream has footers: without them a record stands here, and no
// record begins with a footer's type.
Result<Step> SectionBody::take_footer(const Window& window) {
  auto bytes = window.bytes;
  if (bounds_.footers() == false) return end_section(window, false);
  if (bytes.empty() && !window.last) return Step{0, 1};
  bool present = !bytes.empty() && static_cast<SectionType>(bytes[0]) == SectionType::Footer;
  if (!bounds_.footers().has_value() && !present) {
    auto without = bounds_.is_without_footers(window);
    if (!without) return Step{0, bytes.size() + 1};
    if (*without) {
      bounds_.set_footers(false);
      return Step{};
    }
  }
  ByteReader in(bytes, window.offset);
  auto type = in.be<uint8_t>("footer");
  if (in.ok() && !present) {
    return malformed(window.offset, fmt::format("{}: footer begins with {:#04x}, wanted 0x7e",
                                                place_of(*section_), type));
  }
  auto id = in.be<uint32_t>("section id of the footer");
  if (!in.ok()) return short_read(in, window);
  if (id != section_->section_id) {
    return malformed(in.last_offset(),
                     fmt::format("{}: footer has section id {}", place_of(*section_), id));
  }
  bounds_.set_footers(true);
  return end_section(window, true);
}

// At the front of `window` stands the footer, if there is one.
Result<Step> SectionBody::end_section(const Window& window, bool footer) {
  size_t consumed = footer ? wire::kFooterBytes : 0;
  SectionEnd end{.body_length = body_end_ - section_->body_offset,
                 .end_offset = window.offset + consumed,
                 .footer = footer,
                 .bounded_by = bounded_by_};
  at_ = At::Ended;
  if (auto status = visitor_.on_section_end(*section_, end); !status) return status.error();
  return Step{consumed, 0};
}

}  // namespace vmstream
