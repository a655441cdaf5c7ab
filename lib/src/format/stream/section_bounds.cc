// SPDX-License-Identifier: MIT
#include "format/stream/section_bounds.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include <vmstream/text.h>
#include "base/endian.h"
#include "format/records/records.h"
#include "format/wire.h"

namespace vmstream {
namespace {

constexpr size_t kMaxInferredKept = 4096;  // bounds that a later description may be compared with

// `{"`, or `{ "` as releases before 6.0 wrote it.
bool opens_object(const std::byte* text) {
  return text[0] == std::byte{'{'} && (text[1] == std::byte{'"'} || text[1] == std::byte{' '});
}

// A section that is longer or shorter than it was written stops a load, a damaged description does
// not.
Problem difference(uint64_t offset, std::string message, const VmdescDevice& device) {
  bool in_description = device.contradicts_itself();
  return {.offset = offset,
          .message = std::move(message),
          .known_flaw = device.hides_elements(),
          .effect = in_description ? LoadEffect::Ignored : LoadEffect::Refused,
          .in_description = in_description};
}

const std::byte* find_byte(const Window& window, size_t from, SectionType type) {
  if (from >= window.bytes.size()) return nullptr;  // an empty window has no address either
  const std::byte* first = window.bytes.data() + from;
  return static_cast<const std::byte*>(
      std::memchr(first, static_cast<int>(type), window.bytes.size() - from));
}

}  // namespace

Result<std::optional<SectionBounds::Bound>> SectionBounds::find(const SectionHeader& header,
                                                                const Window& body) {
  wanted_ = body.bytes.size() + 1;
  if (own_description_ && body.offset >= description_begun_) {
    // The stream goes on behind what looked like its description.
    own_description_.reset();
    description_ = nullptr;
  }
  if (!description_ && !packaged_) {
    extend_chain(header, within_limit(body), false);
    bool approved = approved_ > body.offset;
    // What can be told first in the order of the stream counts, whatever the pieces it comes in.
    search_description(approved ? body.until(approval_seen_) : body);
    if (approved && !description_) {
      if (auto bound = take_link(header, body)) return bound;
    }
  }
  if (description_ && disputed_ != body.offset) {
    Bound bound;
    auto outcome = try_description(header, body, bound);
    if (!outcome) return outcome.error();
    if (*outcome == Outcome::Agrees) return std::optional(bound);
    if (*outcome == Outcome::Waits) return std::optional<Bound>();
    disputed_ = body.offset;
  }
  return infer(header, body);
}

// Holds the description's size against what stands behind that many bytes.
Result<SectionBounds::Outcome> SectionBounds::try_description(const SectionHeader& header,
                                                              const Window& body, Bound& bound) {
  const VmdescDevice* device = description_->find(header.idstr, header.instance_id);
  if (!device) {
    auto seen = visitor_.on_problem(
        {.offset = header.offset,
         .message = fmt::format("vmdesc does not describe section '{}' instance {}",
                                escape(header.idstr), header.instance_id),
         .undescribed = true});
    if (!seen) return seen.error();
    return Outcome::Disagrees;
  }
  uint64_t length = device->body_length();
  size_t tail = footers_.value_or(true) ? wire::kFooterBytes : 1;
  bool present = length <= body.bytes.size() && body.bytes.size() - length >= tail;
  if (!present && !body.last && length <= limits_.device_tail_bytes) {
    wanted_ = static_cast<size_t>(length) + tail;
    return Outcome::Waits;
  }
  if (length <= body.bytes.size()) {
    Window behind = body.from(static_cast<size_t>(length));
    bool footer = footers_.value_or(true) && is_footer(behind, header.section_id);
    bool bare = !footers_.value_or(false) &&
                (table_.look(behind) != NextRecord::No || is_described_head(behind));
    bound = {.body_length = length, .footer = footer, .by = BoundedBy::Vmdesc};
    if (footer || bare) return Outcome::Agrees;
  }
  auto seen = visitor_.on_problem(
      difference(header.body_offset,
                 fmt::format("{}: vmdesc gives {} bytes, but the section does not end there",
                             place_of(header), length),
                 *device));
  if (!seen) return seen.error();
  return Outcome::Disagrees;
}

// A device that has come before, with its id.
bool SectionBounds::is_described_head(const Window& at) const {
  ByteReader in(at.bytes.first(std::min(at.bytes.size(), wire::kMaxSectionHeaderBytes)));
  SectionHeader header = read_section_header(in);
  return in.ok() && header.type == SectionType::Full &&
         description_->find(header.idstr, header.instance_id) != nullptr;
}

Result<std::optional<SectionBounds::Bound>> SectionBounds::infer(const SectionHeader& header,
                                                                 const Window& at_hand) {
  // The description ends the sections: what stands behind its first byte is none of theirs. A
  // package may end before it.
  bool reaches = own_description_ && description_begun_ < at_hand.end();
  Window body = reaches ? at_hand.until(description_begun_) : at_hand;
  Window near = within_limit(body);
  bool too_long = near.bytes.size() < body.bytes.size() && candidate_bytes_ == 0;
  bool now = body.last || too_long;
  if (description_ || packaged_ || now) {
    extend_chain(header, near, now);
    if (auto bound = take_link(header, body)) return bound;
  }
  if (own_description_) return no_end(header, body);  // everything is there, and nothing fits
  if (!now) return std::optional<Bound>();
  if (footers_.value_or(false)) return no_end(header, body);
  return find_next_head(header, near);
}

Window SectionBounds::within_limit(const Window& body) const {
  if (body.bytes.size() <= limits_.device_tail_bytes) return body;
  return {body.bytes.first(static_cast<size_t>(limits_.device_tail_bytes)), body.offset, false};
}

// A description opens with EOF, its type, a length and an object. Seen from inside a body that is
// a pattern like any other; the parse of the text decides.
void SectionBounds::search_description(const Window& body) {
  candidate_bytes_ = 0;
  size_t at =
      candidates_seen_ > body.offset ? static_cast<size_t>(candidates_seen_ - body.offset) : 1;
  size_t limit = std::min<uint64_t>(body.bytes.size(), limits_.device_tail_bytes);
  constexpr size_t kOpening = wire::kVmdescHeaderBytes + 2;
  while (at < limit) {
    const std::byte* hit = find_byte(body, at, SectionType::Vmdescription);
    at = hit ? static_cast<size_t>(hit - body.bytes.data()) : body.bytes.size();
    if (!hit || body.bytes.size() - at < kOpening) break;
    if (hit[-1] == std::byte{0} && opens_object(hit + wire::kVmdescHeaderBytes)) {
      if (try_candidate(body.from(at))) return;
      if (candidate_bytes_ > 0) break;
    }
    ++at;
  }
  candidates_seen_ = body.offset + at;
}

bool SectionBounds::try_candidate(const Window& at) {
  uint64_t length = load_be<uint32_t>(at.bytes.data() + 1);
  if (length > limits_.vmdesc_bytes) return false;
  size_t left = at.bytes.size() - wire::kVmdescHeaderBytes;
  if (length > left) {
    if (!at.last) candidate_bytes_ = wire::kVmdescHeaderBytes + static_cast<size_t>(length);
    return false;
  }
  auto text = at.bytes.subspan(wire::kVmdescHeaderBytes, static_cast<size_t>(length));
  auto parsed = Vmdesc::parse({reinterpret_cast<const char*>(text.data()), text.size()});
  if (!parsed) return false;
  own_description_ = std::make_shared<const Vmdesc>(std::move(*parsed));
  description_begun_ = at.offset + wire::kVmdescHeaderBytes + 1;
  description_ = own_description_.get();
  return true;
}

std::shared_ptr<const Vmdesc> SectionBounds::description_at(uint64_t offset) const {
  return own_description_ && description_begun_ == offset + 1 ? own_description_ : nullptr;
}

// Follows the footers from section to section, each once, as far as the bytes reach. `relaxed`
// takes a bare EOF byte for the end.
void SectionBounds::extend_chain(const SectionHeader& header, const Window& body, bool relaxed) {
  if (!footers_.value_or(true)) return;
  while (!chain_.empty() && chain_.front().body_offset < body.offset) chain_.pop_front();
  bool known = chain_.empty() ? open_ && open_->body_offset == body.offset
                              : chain_.front().body_offset == body.offset;
  if (!known) {
    chain_.clear();
    open_ = Open{header.section_id, body.offset, body.offset};
  }
  while (open_ && scan_for_footer(body, relaxed)) continue;
}

// Whether the open section's footer was found; then the section behind it is open, if there is one.
// What looks like a footer in front of a mere EOF byte may stand in any body that holds zeros: it
// is taken only when all bytes are there and none of them is a footer in front of a record.
bool SectionBounds::scan_for_footer(const Window& body, bool relaxed) {
  for (;; ++open_->scanned) {
    auto from = static_cast<size_t>(open_->scanned - body.offset);
    const std::byte* hit = find_byte(body, from, SectionType::Footer);
    size_t at = hit ? static_cast<size_t>(hit - body.bytes.data()) : body.bytes.size();
    open_->scanned = body.offset + at;
    if (!hit || body.bytes.size() - at < wire::kFooterBytes) break;
    if (!is_footer(body.from(at), open_->section_id)) continue;
    NextRecord next = table_.look(body.from(at + wire::kFooterBytes));
    if (next == NextRecord::Unknown && !body.last) return false;
    if (next == NextRecord::BareEnd && !open_->weak) open_->weak = open_->scanned;
    if (next != NextRecord::No && next != NextRecord::BareEnd) {
      close_open(body, open_->scanned, next);
      return true;
    }
  }
  if (!relaxed || !open_->weak) return false;
  close_open(body, *open_->weak, NextRecord::BareEnd);
  return true;
}

// At offset `footer` the open section ends, and `next` stands behind it.
void SectionBounds::close_open(const Window& body, uint64_t footer, NextRecord next) {
  chain_.push_back({open_->body_offset, footer - open_->body_offset});
  open_.reset();
  Window behind = body.from(static_cast<size_t>(footer - body.offset) + wire::kFooterBytes);
  if (next == NextRecord::Stream) approve(behind);
  if (next != NextRecord::Device) return;
  ByteReader in(behind.bytes, behind.offset);
  SectionHeader opened = read_section_header(in);
  open_ = Open{opened.section_id, opened.body_offset, opened.body_offset};
}

// A record of the stream stands at the front of `record`: the links in front of it are settled.
void SectionBounds::approve(const Window& record) {
  approved_ = record.offset;
  ByteReader in(record.bytes, record.offset);
  auto type = read_section_header(in).type;
  approval_seen_ = type == SectionType::Start ? in.offset() : approved_ + wire::kCommandHeaderBytes;
}

std::optional<SectionBounds::Bound> SectionBounds::take_link(const SectionHeader& header,
                                                             const Window& body) {
  if (chain_.empty() || chain_.front().body_offset != body.offset) return std::nullopt;
  Link link = chain_.front();
  if (own_description_ && body.offset + link.body_length >= description_begun_) return std::nullopt;
  chain_.pop_front();
  if (inferred_.size() < kMaxInferredKept && !description_) {
    inferred_.push_back({header.idstr, header.instance_id, header.body_offset, link.body_length});
  }
  return Bound{.body_length = link.body_length, .footer = true, .by = BoundedBy::Footer};
}

Result<std::optional<SectionBounds::Bound>> SectionBounds::find_next_head(
    const SectionHeader& header, const Window& body) {
  for (size_t at = 0; at < body.bytes.size(); ++at) {
    if (ends_bare_section(body.from(at))) {
      return std::optional(Bound{.body_length = at, .footer = false, .by = BoundedBy::NextHeader});
    }
  }
  return no_end(header, body);
}

// Whether no footer is needed to tell that a record stands at the front of `at`. Short ones that
// may stand in any body want the head of a section behind them.
bool SectionBounds::ends_bare_section(const Window& at) const {
  constexpr size_t kLongestPayload = 16;  // of a command, but for discards
  size_t short_bytes = 0;
  switch (static_cast<SectionType>(at.bytes[0])) {
    case SectionType::Full:
    case SectionType::Start:
    case SectionType::Eof:
      break;
    case SectionType::End:
      short_bytes = table_.bare_end_bytes(at);
      if (short_bytes == 0) return false;
      break;
    case SectionType::Command:
      if (at.bytes.size() < wire::kCommandHeaderBytes) return false;
      short_bytes = load_be<uint16_t>(at.bytes.data() + 3);
      if (short_bytes > kLongestPayload) return false;
      short_bytes += wire::kCommandHeaderBytes;
      break;
    default:
      return false;
  }
  auto is_head = [](NextRecord next) {
    return next == NextRecord::Device || next == NextRecord::Stream || next == NextRecord::End;
  };
  if (!is_head(table_.look(at))) return false;
  if (short_bytes == 0) return true;
  return short_bytes < at.bytes.size() && is_head(table_.look(at.from(short_bytes)));
}

SectionBounds::Opaque SectionBounds::find_footer(uint32_t section_id, const Window& body) const {
  size_t at = 0;
  for (;; ++at) {
    const std::byte* hit = find_byte(body, at, SectionType::Footer);
    if (!hit) return {.body_bytes = body.bytes.size()};
    at = static_cast<size_t>(hit - body.bytes.data());
    if (body.bytes.size() - at < wire::kFooterBytes) return {.body_bytes = at};
    if (!is_footer(body.from(at), section_id)) continue;
    NextRecord next = table_.look(body.from(at + wire::kFooterBytes));
    if (next == NextRecord::Unknown && !body.last) return {.body_bytes = at};
    if (next != NextRecord::No) return {.body_bytes = at, .ended = true};
  }
}

Status SectionBounds::check_inferred(const Vmdesc& description) {
  for (const Inferred& section : inferred_) {
    const VmdescDevice* device = description.find(section.idstr, section.instance_id);
    if (!device || device->body_length() == section.body_length) continue;
    auto seen = visitor_.on_problem(
        difference(section.offset,
                   fmt::format("section '{}': {} bytes by its footer, {} by the vmdesc",
                               escape(section.idstr), section.body_length, device->body_length()),
                   *device));
    if (!seen) return seen;
  }
  inferred_.clear();
  return ok();
}

std::optional<bool> SectionBounds::is_without_footers(const Window& at) const {
  NextRecord next = table_.look(at);
  if (next == NextRecord::BareEnd) {  // too early, if the stream goes on behind it
    next = table_.look(at.from(1));
    if (next == NextRecord::End) return false;
  }
  if (next == NextRecord::Unknown && !at.last) return std::nullopt;
  return next != NextRecord::No && next != NextRecord::BareEnd;
}

bool SectionBounds::is_footer(const Window& at, uint32_t section_id) const {
  return at.bytes.size() >= wire::kFooterBytes &&
         static_cast<SectionType>(at.bytes[0]) == SectionType::Footer &&
         load_be<uint32_t>(at.bytes.data() + 1) == section_id;
}

Error SectionBounds::no_end(const SectionHeader& header, const Window& body) const {
  std::string place = place_of(header);
  if (own_description_) {
    return malformed(header.body_offset,
                     fmt::format("{}: neither the vmdesc nor a footer tells where it ends", place));
  }
  if (!body.last) {
    return Error{
        Errc::Unsupported,
        fmt::format("{}: no end within {} bytes, the limit", place, limits_.device_tail_bytes),
        header.body_offset};
  }
  return Error{Errc::Truncated,
               fmt::format("{}: its end is missing, {} bytes of the body are left", place,
                           body.bytes.size()),
               body.end()};
}

}  // namespace vmstream
