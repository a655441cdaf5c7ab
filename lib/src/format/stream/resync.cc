// SPDX-License-Identifier: MIT
#include "format/stream/resync.h"

#include <algorithm>
#include <string_view>

#include "base/endian.h"
#include "base/zero.h"
#include "format/records/records.h"
#include "format/wire.h"

namespace vmstream {
namespace {

// A section whose head is found is taken whole only if its footer is this near.
constexpr uint64_t kLongestSectionBytes = 1u << 20;
constexpr size_t kMostHeads = 256;
// Ids are numbers that a process gives out one by one.
constexpr uint32_t kMostIdStep = 4096;
constexpr size_t kShortestName = 2;

// Whether anything that is looked for begins with this byte. Most bytes of RAM do not pass.
bool may_begin(std::byte first) {
  switch (static_cast<SectionType>(first)) {
    case SectionType::Eof:  // and ram records: no page stands so high that it would not be 0
    case SectionType::Start:
    case SectionType::Full:
    case SectionType::Vmdescription:
    case SectionType::Footer:
      return true;
    default:
      return false;
  }
}

// Eight zeros begin nothing: a ram record has flags. So many places at the front of `bytes` need no
// closer look.
size_t count_hopeless(std::span<const std::byte> bytes) {
  constexpr size_t kWord = 8;
  return bytes.size() >= 2 * kWord && is_zero(bytes.first(2 * kWord)) ? kWord : 0;
}

bool is_record(NextRecord next) {
  return next == NextRecord::Device || next == NextRecord::Stream || next == NextRecord::End;
}

bool opens_description(std::string_view text) {
  if (!text.starts_with('{')) return false;
  text.remove_prefix(1);
  if (text.starts_with(' ')) text.remove_prefix(1);
  return text.starts_with("\"page_size\"") || text.starts_with("\"configuration\"") ||
         text.starts_with("\"devices\"");
}

}  // namespace

std::optional<Resync::Point> Resync::find(const Window& window) {
  const std::byte* bytes = window.bytes.data();
  for (auto at = static_cast<size_t>(std::max(searched_, window.offset) - window.offset);
       at < window.bytes.size(); ++at) {
    bool likely = window.offset + at == likely_;
    if (!likely && !may_begin(bytes[at])) continue;
    size_t hopeless = likely ? 0 : count_hopeless(window.bytes.subspan(at));
    if (hopeless > 0) {
      at += hopeless - 1;
      continue;
    }
    std::byte before = at > 0 ? window.bytes[at - 1] : std::byte{0xff};
    Verdict verdict = likely ? judge_likely(window.from(at)) : Verdict{};
    if (!verdict.point && !verdict.waits) verdict = judge(window.from(at), before);
    searched_ = window.offset + at;
    if (verdict.point) return verdict.point;
    if (verdict.waits && !window.last) return std::nullopt;
  }
  searched_ = std::max(searched_, window.end());
  return std::nullopt;
}

size_t Resync::passed(const Window& window) const {
  if (window.last) return window.bytes.size();
  uint64_t keep = searched_;
  for (const auto& [id, offset] : heads_) {
    if (offset + kLongestSectionBytes > searched_) keep = std::min(keep, offset);
  }
  if (keep > window.offset) --keep;  // the byte that stands before
  return static_cast<size_t>(std::max(keep, window.offset) - window.offset);
}

Resync::Verdict Resync::judge(const Window& at, std::byte before) {
  switch (static_cast<SectionType>(at.bytes[0])) {
    case SectionType::Footer:
      return judge_footer(at);
    case SectionType::Start:
    case SectionType::Full:
      return judge_head(at);
    case SectionType::Vmdescription:
      return judge_description(at, before);
    default:
      break;
  }
  auto row = ram_->check_row(at, *table_);
  if (row == RamBody::Plausible::No) return {};
  if (row == RamBody::Plausible::Unknown) return {.waits = true};
  return {.point = Point{Point::Kind::RamRecord, at.offset}};
}

Resync::Verdict Resync::judge_likely(const Window& at) const {
  NextRecord next = table_->look(at);
  if (next == NextRecord::Unknown) return {.waits = true};
  if (!is_record(next)) return {};
  return {.point = Point{Point::Kind::Record, at.offset}};
}

Resync::Verdict Resync::judge_footer(const Window& at) {
  if (footers_ == false) return {};
  if (at.bytes.size() < wire::kFooterBytes) return {.waits = true};
  auto id = load_be<uint32_t>(at.bytes.data() + 1);
  NextRecord next = table_->look(at.from(wire::kFooterBytes));
  if (next == NextRecord::Unknown) return {.waits = true};
  if (!is_record(next)) return {};
  auto head = heads_.find(id);
  if (head != heads_.end() && at.offset - head->second <= kLongestSectionBytes) {
    return {.point = Point{Point::Kind::Record, head->second}};
  }
  return {.point = Point{Point::Kind::Footer, at.offset, id}};
}

Resync::Verdict Resync::judge_head(const Window& at) {
  NextRecord next = table_->look(at);
  if (next == NextRecord::Unknown) return {.waits = true};
  if (!is_record(next)) return {};
  ByteReader in(at.bytes, at.offset);
  SectionHeader header = read_section_header(in);
  if (header.idstr.size() < kShortestName) return {};
  uint32_t highest = table_->highest_id();
  if (footers_ == false && header.section_id > highest &&
      header.section_id - highest <= kMostIdStep) {
    return {.point = Point{Point::Kind::Record, at.offset}};
  }
  std::erase_if(heads_,
                [&](const auto& entry) { return at.offset - entry.second > kLongestSectionBytes; });
  if (heads_.size() < kMostHeads) heads_.try_emplace(header.section_id, at.offset);
  return {};
}

Resync::Verdict Resync::judge_description(const Window& at, std::byte before) const {
  constexpr size_t kTextWanted = 18;  // the longest of the possible openings
  if (at.bytes.size() < wire::kVmdescHeaderBytes + kTextWanted) return {.waits = true};
  if (load_be<uint32_t>(at.bytes.data() + 1) > limits_->vmdesc_bytes) return {};
  auto text = at.bytes.subspan(wire::kVmdescHeaderBytes, kTextWanted);
  if (!opens_description({reinterpret_cast<const char*>(text.data()), text.size()})) return {};
  if (before == std::byte{0}) return {.point = Point{Point::Kind::Record, at.offset - 1}};
  return {.point = Point{Point::Kind::Vmdesc, at.offset}};
}

}  // namespace vmstream
