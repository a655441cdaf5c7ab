// SPDX-License-Identifier: MIT
#include "base/byte_reader.h"

#include <fmt/format.h>

#include <utility>

namespace vmstream {

std::span<const std::byte> ByteReader::bytes(size_t count, std::string_view field) {
  if (error_) return {};
  if (count > rest_.size()) {  // compare with what is left; never add to an offset
    fail(Errc::Truncated, offset_,
         fmt::format("{} needs {} bytes, {} left", field, count, rest_.size()));
    missing_ = count - rest_.size();
    return {};
  }
  auto view = rest_.first(count);
  rest_ = rest_.subspan(count);
  last_ = std::exchange(offset_, offset_ + count);
  return view;
}

std::string_view ByteReader::counted_string(std::string_view field) {
  size_t length = be<uint8_t>(field);
  auto text = bytes(length, field);
  return {reinterpret_cast<const char*>(text.data()), text.size()};
}

void ByteReader::fail(Errc code, uint64_t at, std::string message) {
  if (!error_) error_ = Error{code, std::move(message), at};
}

}  // namespace vmstream
