// SPDX-License-Identifier: MIT
#include "format/stream/stream_tail.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include <vmstream/text.h>
#include "base/endian.h"
#include "format/records/records.h"
#include "format/wire.h"

namespace vmstream {
namespace {

// An object behind a length that leads no further than the input.
bool opens_description(const Window& at) {
  constexpr size_t kOpening = wire::kVmdescHeaderBytes + 2;
  if (at.bytes.size() < kOpening) return false;
  const std::byte* text = at.bytes.data() + wire::kVmdescHeaderBytes;
  bool object =
      text[0] == std::byte{'{'} && (text[1] == std::byte{'"'} || text[1] == std::byte{' '});
  return object && load_be<uint32_t>(at.bytes.data() + 1) >= 2;
}

// JSON, of which a few bytes may be damaged. Sections hold far more that is no text.
bool is_text(std::span<const std::byte> bytes) {
  constexpr std::ptrdiff_t kMostOdd = 8;
  auto is_odd = [](std::byte byte) {
    auto code = std::to_integer<unsigned>(byte);
    return code >= 0x7f || (code < ' ' && code != '\t' && code != '\n' && code != '\r');
  };
  return std::ranges::count_if(bytes, is_odd) <= kMostOdd;
}

// The head of a section with a name.
bool begins_section(const Window& at) {
  ByteReader in(at.bytes.first(std::min(at.bytes.size(), wire::kMaxSectionHeaderBytes)));
  SectionHeader header = read_section_header(in);
  bool named = header.type == SectionType::Start || header.type == SectionType::Full;
  return in.ok() && named &&
         std::ranges::all_of(header.idstr, [](char c) { return c > ' ' && c < 0x7f; });
}

}  // namespace

Result<Step> StreamTail::take_eof(const Window& window) {
  eof_offset_ = window.offset;
  stream_end_ = window.offset + 1;
  if (auto status = visitor_.on_eof(window.offset); !status) return status.error();
  return Step{1, 0};
}

void StreamTail::take_back() {
  eof_offset_.reset();
  stream_end_.reset();
  trailing_ = false;
}

void StreamTail::take_up_vmdesc(uint64_t offset) {
  eof_offset_ = offset - 1;
  stream_end_ = offset;
}

void StreamTail::end_stream(uint64_t offset) {
  stream_end_ = offset;
  trailing_ = true;
}

Result<Step> StreamTail::step(const Window& window) {
  return trailing_ ? take_trailing(window) : take_vmdesc(window);
}

Result<Step> StreamTail::take_vmdesc(const Window& window) {
  if (window.bytes.empty()) return Step{0, 1};
  if (static_cast<SectionType>(window.bytes[0]) != SectionType::Vmdescription) {
    constexpr size_t kOpening = wire::kVmdescHeaderBytes + 2;
    if (window.bytes.size() < kOpening && !window.last) return Step{0, kOpening};
    if (!opens_description(window)) {
      trailing_ = true;
      return Step{};
    }
    auto seen =
        visitor_.on_problem({.offset = window.offset,
                             .message = fmt::format("vmdesc begins with {:#04x}, wanted 0x06",
                                                    std::to_integer<unsigned>(window.bytes[0])),
                             .effect = LoadEffect::Ignored,
                             .in_description = true});
    if (!seen) return seen.error();
  }
  ByteReader in(window.bytes, window.offset);
  in.be<uint8_t>("record type");
  auto length = in.be<uint32_t>("vmdesc length");
  if (in.ok()) {
    auto text = window.bytes.subspan(wire::kVmdescHeaderBytes);
    is_text_ = is_text(text.first(std::min<size_t>(length, text.size())));
  }
  if (in.ok() && length > limits_.vmdesc_bytes) {
    return Error{
        Errc::Unsupported,
        fmt::format("vmdesc of {} bytes, at most {} are kept", length, limits_.vmdesc_bytes),
        window.offset};
  }
  if (in.ok() && window.last && in.remaining() < length) {
    if (auto shown = show_front(window, in); !shown) return shown.error();
  }
  auto text = in.bytes(length, "vmdesc");
  if (!in.ok()) return short_read(in, window);
  VmdescRecord record = read_description(window.offset, text);
  end_stream(in.offset());
  behind_vmdesc_ = true;
  if (auto status = check_description(record); !status) return status.error();
  if (auto status = visitor_.on_vmdesc(record); !status) return status.error();
  return Step{consumed_by(in, window), 0};
}

// One that has told where sections end is not read again.
VmdescRecord StreamTail::read_description(uint64_t offset, std::span<const std::byte> text) const {
  std::string_view json(reinterpret_cast<const char*>(text.data()), text.size());
  auto description = bounds_.description_at(offset + wire::kVmdescHeaderBytes);
  if (!description) description = std::make_shared<const Vmdesc>(Vmdesc::read(json));
  return {offset, json, std::move(description)};
}

Status StreamTail::show_front(const Window& window, ByteReader text) {
  auto front = text.bytes(text.remaining(), "vmdesc");
  VmdescRecord record = read_description(window.offset, front);
  auto checked = check_sections(*record.description, record.offset);
  return checked ? visitor_.on_cut_vmdesc(record) : checked;
}

// A section that is longer or shorter than described, or does not come at all. QEMU does without
// one that does not come.
Status StreamTail::check_sections(const Vmdesc& description, uint64_t offset) {
  for (const VmdescDevice* described : table_.find_missing(description)) {
    auto seen = visitor_.on_problem(
        {.offset = offset,
         .message = fmt::format("vmdesc describes '{}' instance {}, which is not in the stream",
                                escape(described->idstr), described->instance_id),
         .effect = LoadEffect::Ignored});
    if (!seen) return seen;
  }
  return bounds_.check_inferred(description);
}

Status StreamTail::check_description(const VmdescRecord& record) {
  const Vmdesc& description = *record.description;
  if (description.fault()) {
    auto seen = visitor_.on_problem({.offset = record.offset,
                                     .message = description.fault()->message,
                                     .effect = LoadEffect::Ignored,
                                     .in_description = is_text_});
    return seen ? check_sections(description, record.offset) : seen;
  }
  if (ram_.knows_page_size() && description.page_size() != ram_.page_size()) {
    auto seen = visitor_.on_problem(
        {.offset = record.offset,
         .message = fmt::format("vmdesc gives target pages of {} bytes, the stream has {}",
                                description.page_size(), ram_.page_size()),
         .effect = LoadEffect::Ignored,
         .in_description = true});
    if (!seen) return seen;
  }
  return check_sections(description, record.offset);
}

Result<Step> StreamTail::take_trailing(const Window& window) {
  if (window.bytes.empty()) return Step{0, 1};
  if (behind_vmdesc_ && window.bytes.size() < wire::kMaxSectionHeaderBytes && !window.last) {
    return Step{0, wire::kMaxSectionHeaderBytes};
  }
  if (std::exchange(behind_vmdesc_, false) && begins_section(window)) {
    auto seen = visitor_.on_problem({.offset = window.offset,
                                     .message = "sections stand behind the vmdesc",
                                     .effect = LoadEffect::Ignored});
    if (!seen) return seen.error();
  }
  if (auto seen = visitor_.on_trailing(window.offset, window.bytes); !seen) return seen.error();
  return Step{window.bytes.size(), 0};
}

}  // namespace vmstream
