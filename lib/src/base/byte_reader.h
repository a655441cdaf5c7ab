// SPDX-License-Identifier: MIT
// The cursor over bytes that nobody vouches for.
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include <vmstream/result.h>

namespace vmstream {

/// Reads big-endian fields from a span. The first failure sticks: later reads give zero or an empty
/// view and move nothing, so read a whole record and then ask ok() once. Views point into the span
/// given to the constructor and live as long as that does.
class ByteReader {
 public:
  /// `base_offset` is the position of the first byte in the stream; it makes errors point there.
  explicit ByteReader(std::span<const std::byte> bytes, uint64_t base_offset = 0)
      : rest_(bytes), offset_(base_offset), last_(base_offset) {}

  /// The next big-endian number. `field` names it in the error of a short input.
  template <std::unsigned_integral T>
  T be(std::string_view field) {
    T value = 0;
    for (std::byte b : bytes(sizeof(T), field)) {
      value = static_cast<T>((static_cast<uint64_t>(value) << 8) | std::to_integer<uint64_t>(b));
    }
    return value;
  }

  /// The next `count` bytes, uncopied.
  std::span<const std::byte> bytes(size_t count, std::string_view field);
  /// A byte that holds a length, then that many bytes of text. Not escaped.
  std::string_view counted_string(std::string_view field);

  /// Records a failure unless one is there already. Errc::Truncated is what short reads record.
  void fail(Errc code, uint64_t at, std::string message);

  bool ok() const { return !error_; }
  const Error& error() const { return *error_; }
  uint64_t offset() const { return offset_; }     ///< of the next byte
  uint64_t last_offset() const { return last_; }  ///< where the value read last began: blame it
  size_t remaining() const { return rest_.size(); }
  size_t missing() const { return missing_; }  ///< bytes that the short read lacked, 0 if none did
  std::span<const std::byte> rest() const { return rest_; }

 private:
  std::span<const std::byte> rest_;
  uint64_t offset_;
  uint64_t last_;
  size_t missing_ = 0;
  std::optional<Error> error_;
};

}  // namespace vmstream
