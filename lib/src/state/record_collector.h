// SPDX-License-Identifier: MIT
// Puts the table of a stream's records together.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <vmstream/state_index.h>

namespace vmstream {

/// Fed with the records of a stream in order. Equal ones in a row become one entry: a stream may
/// hold tens of thousands of slices that carry nothing but their end mark.
class RecordCollector {
 public:
  explicit RecordCollector(uint64_t most_records) : most_records_(most_records) {}

  void add(IndexedRecord record);
  /// A section whose end is not known yet. Replaces one whose end was lost.
  void open(const SectionHeader& header, uint64_t pages_before);
  void close(const SectionEnd& end, uint64_t pages_now);
  void set_packaged(bool packaged) { packaged_ = packaged; }

  /// Why there will be no table.
  const std::optional<std::string>& given_up() const { return given_up_; }
  std::vector<IndexedRecord> take() { return std::move(records_); }

 private:
  void give_up(std::string reason);

  uint64_t most_records_;
  std::vector<IndexedRecord> records_;
  std::optional<IndexedRecord> open_;
  uint64_t pages_before_ = 0;
  bool packaged_ = false;
  std::optional<std::string> given_up_;
};

}  // namespace vmstream
