// SPDX-License-Identifier: MIT
// The second connection of a postcopy migration with preemption (QEMU 7.1 and later): pages that
// the destination asked for, as records of the ram section with nothing around them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>

#include <vmstream/byte_source.h>
#include <vmstream/parser.h>

#include "format/records/records.h"

namespace vmstream {

/// Gives the records as they are, held against the main stream's list of RAM blocks. Errors have
/// their offset in the channel.
class PreemptChannel final : private StreamVisitor {
 public:
  explicit PreemptChannel(std::unique_ptr<ByteSource> source) : source_(std::move(source)) {}

  /// `front`: the main stream up to behind the START of ram, whose section has this id.
  Status begin(std::span<const std::byte> front, uint32_t ram_section_id);
  /// Appends some records, or says that there are no more: false.
  Result<bool> append_some(Bytes& out);

 private:
  Status on_ram_mark(RamMark mark, uint64_t offset) override;

  void give_records(Bytes& out);
  uint64_t mark_end() const;
  Error fault_of(const Error& error) const;
  Status check_end() const;

  std::unique_ptr<ByteSource> source_;
  StreamParser parser_{*this};
  uint64_t front_bytes_ = 0;          // what the parser was fed in front of the channel
  uint64_t given_bytes_ = 0;          // of the channel
  Bytes held_;                        // the bytes that follow those
  std::optional<uint64_t> end_mark_;  // QEMU 7.1 and 7.2 close the channel by one
  bool in_channel_ = false;
};

}  // namespace vmstream
