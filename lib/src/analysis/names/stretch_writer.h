// SPDX-License-Identifier: MIT
// Stretches on their way to the receiver: numbers and names put into bytes again, pieces joined,
// what lies outside of the range left out.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <vmstream/byte_names.h>

namespace vmstream {

/// Keeps the offset of the next stretch. The first error of the receiver sticks and ends it all.
class StretchWriter {
 public:
  StretchWriter(ByteNamer::Receiver receiver, NamingOptions options)
      : receiver_(std::move(receiver)), options_(options) {}

  uint64_t offset() const { return offset_; }
  const NamingOptions& options() const { return options_; }
  /// The receiver's error; or that nothing more is wanted.
  Status status() const;
  bool is_behind_range() const {
    return options_.in_range && offset_ >= options_.first &&
           offset_ - options_.first >= options_.length;
  }
  /// The section that the next stretches belong to; borrowed until it is set again.
  void set_section(const SectionHeader* section) { section_ = section; }

  /// A big-endian number of `width` bytes, at most 8.
  void number(uint64_t value, size_t width, std::string meaning, ByteKind kind = ByteKind::Number);
  /// The byte that opens a record.
  void record_type(SectionType type, std::string meaning);
  /// A length byte and a name.
  void counted(std::string_view what, std::string_view name);
  void bytes(std::span<const std::byte> bytes, ByteKind kind, std::string meaning);
  /// A piece of a stretch that comes in several: joined with those before it if the meaning is
  /// the same.
  void piece(std::span<const std::byte> bytes, ByteKind kind, std::string_view meaning);
  /// Bytes that are known by their number.
  void count(uint64_t length, ByteKind kind, std::string meaning);
  /// What is between here and `offset`, which no event told of.
  void advance_to(uint64_t offset, std::string_view meaning);
  /// Emits pieces that were joined.
  void flush();

  /// Whether any of the next `length` bytes is asked for.
  bool wants(uint64_t length) const;
  bool shows_all() const { return options_.everything || options_.in_range; }

 private:
  struct Joined {
    uint64_t offset = 0;
    uint64_t length = 0;
    std::vector<std::byte> front;
    ByteKind kind = ByteKind::Body;
    std::string meaning;
  };
  void emit(const NamedBytes& stretch);

  ByteNamer::Receiver receiver_;
  NamingOptions options_;
  Status status_ = ok();
  uint64_t offset_ = 0;
  const SectionHeader* section_ = nullptr;
  std::optional<Joined> joined_;
};

}  // namespace vmstream
