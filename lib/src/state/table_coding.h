// SPDX-License-Identifier: MIT
// The numbers of the index's tables: most are small, or near the one before.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <vmstream/result.h>

namespace vmstream {

/// Appends numbers to bytes.
class TableWriter {
 public:
  void byte(uint8_t value) { bytes_.push_back(static_cast<std::byte>(value)); }
  /// LEB128: seven bits a byte, low ones first, bit 7 set where another byte follows.
  void number(uint64_t value);
  /// The difference of two numbers, in either direction, modulo 2^64: small ones stay short.
  void difference(uint64_t value, uint64_t from);
  void le64(uint64_t value);
  void text(std::string_view text);  ///< behind its length
  void bytes(std::span<const std::byte> bytes);

  size_t size() const { return bytes_.size(); }
  std::vector<std::byte> take() { return std::move(bytes_); }

 private:
  std::vector<std::byte> bytes_;
};

/// Reads them back. The first failure sticks, as in ByteReader: later reads give zero.
class TableReader {
 public:
  /// `name` is that of the part, for messages. `bytes` is borrowed.
  TableReader(std::string_view name, std::span<const std::byte> bytes)
      : name_(name), rest_(bytes) {}

  uint8_t byte();
  uint64_t number();
  /// One of at most `most`; `what` names it in the error.
  uint64_t number_up_to(uint64_t most, std::string_view what);
  uint64_t difference(uint64_t from);
  uint64_t le64();
  std::string text();
  /// How many entries of at least `entry_bytes` each follow: no more than the bytes can hold.
  size_t count(size_t entry_bytes);
  std::span<const std::byte> bytes(size_t count);

  /// Entries must have used up everything.
  void expect_end();
  void fail(std::string_view what);
  bool ok() const { return !error_; }
  const Error& error() const { return *error_; }

 private:
  std::string name_;
  std::span<const std::byte> rest_;
  std::optional<Error> error_;
};

}  // namespace vmstream
