// SPDX-License-Identifier: MIT
#include "state/table_coding.h"

#include <fmt/format.h>

namespace vmstream {

void TableWriter::number(uint64_t value) {
  for (; value >= 0x80; value >>= 7) byte(static_cast<uint8_t>(value | 0x80));
  byte(static_cast<uint8_t>(value));
}

// The sign goes into the lowest bit.
void TableWriter::difference(uint64_t value, uint64_t from) {
  uint64_t up = value - from;
  number(up >> 63 != 0 ? ~(up << 1) : up << 1);
}

void TableWriter::le64(uint64_t value) {
  for (int shift = 0; shift < 64; shift += 8) byte(static_cast<uint8_t>(value >> shift));
}

void TableWriter::text(std::string_view text) {
  number(text.size());
  bytes(std::as_bytes(std::span(text)));
}

void TableWriter::bytes(std::span<const std::byte> bytes) {
  bytes_.insert(bytes_.end(), bytes.begin(), bytes.end());
}

std::span<const std::byte> TableReader::bytes(size_t count) {
  if (error_) return {};
  if (count > rest_.size()) {
    fail(fmt::format("wants {} more bytes, {} left", count, rest_.size()));
    return {};
  }
  auto view = rest_.first(count);
  rest_ = rest_.subspan(count);
  return view;
}

uint8_t TableReader::byte() {
  auto view = bytes(1);
  return view.empty() ? uint8_t{0} : std::to_integer<uint8_t>(view[0]);
}

uint64_t TableReader::number() {
  uint64_t value = 0;
  for (int shift = 0; shift < 64; shift += 7) {
    uint8_t low = byte();
    value |= static_cast<uint64_t>(low & 0x7f) << shift;
    if ((low & 0x80) != 0) continue;
    if (shift == 63 && low > 1) break;
    return value;
  }
  fail("holds a number of more than 64 bits");
  return 0;
}

uint64_t TableReader::number_up_to(uint64_t most, std::string_view what) {
  uint64_t value = number();
  if (value <= most) return value;
  fail(fmt::format("{} is {}, at most {} is possible", what, value, most));
  return 0;
}

uint64_t TableReader::difference(uint64_t from) {
  uint64_t coded = number();
  if (error_) return 0;
  return from + ((coded & 1) != 0 ? ~(coded >> 1) : coded >> 1);
}

uint64_t TableReader::le64() {
  uint64_t value = 0;
  for (int shift = 0; shift < 64; shift += 8) value |= uint64_t{byte()} << shift;
  return value;
}

std::string TableReader::text() {
  auto view = bytes(static_cast<size_t>(number()));
  return {reinterpret_cast<const char*>(view.data()), view.size()};
}

size_t TableReader::count(size_t entry_bytes) {
  uint64_t value = number();
  if (value > rest_.size() / entry_bytes) {
    fail(fmt::format("counts {} entries in {} bytes", value, rest_.size()));
    return 0;
  }
  return static_cast<size_t>(value);
}

void TableReader::expect_end() {
  if (!rest_.empty()) fail(fmt::format("has {} bytes too many", rest_.size()));
}

void TableReader::fail(std::string_view what) {
  if (!error_) error_ = Error{Errc::Malformed, fmt::format("index: part '{}' {}", name_, what)};
}

}  // namespace vmstream
