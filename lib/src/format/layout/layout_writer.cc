// SPDX-License-Identifier: MIT
#include "format/layout/layout_writer.h"

#include <algorithm>
#include <utility>

#include <vmstream/format.h>
#include "base/byte_reader.h"
#include "format/description/device_value.h"

namespace vmstream {
namespace {

constexpr std::string_view kBool = "bool";

bool is_truth(std::byte byte) {
  return byte <= std::byte{1};
}

}  // namespace

bool LayoutWriter::step(uint64_t count, uint64_t size) {
  if (!ok_ || ++steps_ > kMostSteps || (size > 0 && count > left() / size)) {
    ok_ = false;
    return false;
  }
  pos_ += count * size;
  return true;
}

uint64_t LayoutWriter::number(std::string_view name, std::string_view type) {
  uint64_t at = pos_;
  array(name, type, 1);
  if (!ok_) return 0;
  return make_field(name, type, 0, bytes_.subspan(at, pos_ - at)).as_unsigned();
}

void LayoutWriter::array(std::string_view name, std::string_view type, uint64_t count) {
  uint64_t size = scalar_size(type);
  if (size == 0) return fail();
  uint64_t start = pos_;
  if (count == 0 || !step(count, size)) return;
  if (type == kBool && !std::ranges::all_of(bytes_.subspan(start, count), is_truth)) return fail();
  VmdescField& field = levels_.back().fields.emplace_back();
  field.name = name;
  field.type = type;
  field.size = size;
  field.array_len = count;
}

void LayoutWriter::bytes(std::string_view name, uint64_t size, std::string_view type) {
  if (size == 0 || !step(1, size)) return;
  VmdescField& field = levels_.back().fields.emplace_back();
  field.name = name;
  field.type = type;
  field.size = size;
}

void LayoutWriter::open_array(std::string_view name, uint64_t count) {
  levels_.push_back({.name = std::string(name), .start = pos_, .count = count});
}

std::string_view LayoutWriter::subsection_at(uint64_t skip) const {
  if (skip > left()) return {};
  ByteReader in(rest().subspan(skip));
  bool marked = in.be<uint8_t>("subsection") == static_cast<uint8_t>(SectionType::Subsection);
  auto name = in.counted_string("name");
  in.be<uint32_t>("version");
  return in.ok() && marked ? name : std::string_view();
}

uint64_t LayoutWriter::distance_to_subsection(std::string_view prefix) const {
  constexpr std::byte kMark{static_cast<uint8_t>(SectionType::Subsection)};
  auto bytes = rest();
  for (uint64_t skip = 0; skip < bytes.size(); ++skip) {
    if (bytes[skip] == kMark && subsection_at(skip).starts_with(prefix)) return skip;
  }
  return bytes.size();
}

bool LayoutWriter::open_subsection(std::string_view name) {
  if (name.empty() || subsection_at() != name) return false;
  ByteReader in(rest());
  in.be<uint8_t>("subsection");
  in.counted_string("name");
  uint64_t version = in.be<uint32_t>("version");
  pos_ += in.offset();
  levels_.push_back(
      {.name = std::string(name), .start = pos_, .is_subsection = true, .version = version});
  return true;
}

void LayoutWriter::close() {
  Level level = std::move(levels_.back());
  levels_.pop_back();
  Level& parent = levels_.back();
  if (level.is_subsection) {
    parent.subsections.push_back({std::move(level.name), level.version, std::move(level.fields),
                                  std::move(level.subsections)});
    return;
  }
  uint64_t size = pos_ - level.start;
  if (size == 0 || !step(level.count - 1, size)) return;
  if (!truths_hold(level, size)) return fail();
  VmdescField& field = parent.fields.emplace_back();
  field.name = std::move(level.name);
  field.type = "struct";
  field.size = size;
  field.array_len = level.count;
  field.fields = std::move(level.fields);
  field.subsections = std::move(level.subsections);
}

// The first element was checked when it was laid out, its likes were stepped over.
bool LayoutWriter::truths_hold(const Level& level, uint64_t size) const {
  uint64_t at = level.start;
  for (const VmdescField& field : level.fields) {
    uint64_t width = field.size * field.array_len;
    for (uint64_t i = 1; field.type == kBool && i < level.count; ++i) {
      if (!std::ranges::all_of(bytes_.subspan(at + i * size, width), is_truth)) return false;
    }
    at += width;
  }
  return true;
}

VmdescField LayoutWriter::take(std::string_view name, std::string_view type) {
  VmdescField field;
  field.name = name;
  field.type = type;
  field.size = bytes_.size();
  field.fields = std::move(levels_.front().fields);
  field.subsections = std::move(levels_.front().subsections);
  return field;
}

}  // namespace vmstream
