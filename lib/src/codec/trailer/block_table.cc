// SPDX-License-Identifier: MIT
#include "codec/trailer/block_table.h"

#include <algorithm>

namespace vmstream {

bool BlockTable::append(uint32_t plain_length, uint32_t packed_length, uint32_t check) {
  if (plain_length > UINT64_MAX - plain_end_ || packed_length > UINT64_MAX - file_end_) {
    return false;
  }
  entries_.push_back({plain_end_, file_end_});
  packed_.push_back({packed_length, check});
  plain_end_ += plain_length;
  file_end_ += packed_length;
  return true;
}

bool BlockTable::append_gap(uint64_t file_bytes) {
  if (file_bytes > UINT64_MAX - file_end_) return false;
  file_end_ += file_bytes;
  return true;
}

PackedBlock BlockTable::operator[](size_t number) const {
  const Entry& entry = entries_[number];
  uint64_t plain_end = number + 1 < size() ? entries_[number + 1].plain_offset : plain_end_;
  return {.plain_offset = entry.plain_offset,
          .file_offset = entry.file_offset,
          .plain_length = static_cast<uint32_t>(plain_end - entry.plain_offset),
          .packed_length = packed_[number].length,
          .check = packed_[number].check};
}

std::optional<size_t> BlockTable::find(uint64_t plain_offset) const {
  if (plain_offset >= plain_end_) return std::nullopt;
  auto behind = std::ranges::upper_bound(entries_, plain_offset, {}, &Entry::plain_offset);
  return static_cast<size_t>(behind - entries_.begin()) - 1;
}

}  // namespace vmstream
