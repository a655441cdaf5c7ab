// SPDX-License-Identifier: MIT
#include "analysis/names/stretch_writer.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

#include <vmstream/text.h>

namespace vmstream {
namespace {

// Longer stretches are shown by their front.
constexpr size_t kShortBytes = 64;
constexpr size_t kFrontBytes = 16;

}  // namespace

Status StretchWriter::status() const {
  if (!status_ || !is_behind_range()) return status_;
  return Error{Errc::Interrupted, "all of the range has been shown"};
}

bool StretchWriter::wants(uint64_t length) const {
  if (!status_) return false;
  if (!options_.in_range) return true;
  bool before = offset_ < options_.first && options_.first - offset_ >= length;
  return !before && !is_behind_range();
}

void StretchWriter::emit(const NamedBytes& stretch) {
  if (!status_) return;
  NamedBytes shown = stretch;
  shown.section = section_;
  if (!shows_all() && shown.bytes.size() > kShortBytes) {
    shown.bytes = shown.bytes.first(kFrontBytes);
  }
  status_ = receiver_(shown);
}

void StretchWriter::number(uint64_t value, size_t width, std::string meaning, ByteKind kind) {
  std::array<std::byte, 8> wire{};
  for (size_t i = 0; i < width; ++i)
    wire[i] = static_cast<std::byte>(value >> (8 * (width - 1 - i)));
  bytes(std::span(wire).first(width), kind, std::move(meaning));
}

void StretchWriter::record_type(SectionType type, std::string meaning) {
  number(static_cast<uint8_t>(type), 1, std::move(meaning), ByteKind::Frame);
}

void StretchWriter::counted(std::string_view what, std::string_view name) {
  number(name.size(), 1, fmt::format("length of {}", what));
  bytes(std::as_bytes(std::span(name)), ByteKind::Name, fmt::format("{} '{}'", what, escape(name)));
}

void StretchWriter::bytes(std::span<const std::byte> bytes, ByteKind kind, std::string meaning) {
  flush();
  if (bytes.empty()) return;
  if (wants(bytes.size())) emit({offset_, bytes.size(), bytes, kind, std::move(meaning)});
  offset_ += bytes.size();
}

void StretchWriter::piece(std::span<const std::byte> bytes, ByteKind kind,
                          std::string_view meaning) {
  if (shows_all()) {
    this->bytes(bytes, kind, std::string(meaning));
    return;
  }
  if (joined_ && (joined_->kind != kind || joined_->meaning != meaning)) flush();
  if (!joined_) joined_ = Joined{offset_, 0, {}, kind, std::string(meaning)};
  size_t room = kShortBytes + 1 - joined_->front.size();
  auto front = bytes.first(std::min(room, bytes.size()));
  joined_->front.insert(joined_->front.end(), front.begin(), front.end());
  joined_->length += bytes.size();
  offset_ += bytes.size();
}

void StretchWriter::flush() {
  if (!joined_) return;
  Joined joined = *std::exchange(joined_, std::nullopt);
  emit({joined.offset, joined.length, joined.front, joined.kind, std::move(joined.meaning)});
}

void StretchWriter::count(uint64_t length, ByteKind kind, std::string meaning) {
  flush();
  if (length == 0) return;
  if (wants(length)) emit({offset_, length, {}, kind, std::move(meaning)});
  offset_ += length;
}

void StretchWriter::advance_to(uint64_t offset, std::string_view meaning) {
  if (offset > offset_) count(offset - offset_, ByteKind::Lost, std::string(meaning));
}

}  // namespace vmstream
