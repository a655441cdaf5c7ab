// SPDX-License-Identifier: MIT
// What could not be read of a guest's memory.
#pragma once

#include <map>
#include <utility>
#include <vector>

#include <vmstream/result.h>
#include "guest/lazy/served_blocks.h"

namespace vmstream {

/// Units that failed when they were wanted. One may be read later after all.
class LostUnits {
 public:
  /// Both borrowed.
  LostUnits(const std::vector<ServedBlock>& blocks, const DeliveryLedger& ledger);

  bool has(size_t block, uint64_t unit) const { return lost_[block][unit]; }
  bool empty() const { return units_ == 0; }
  uint64_t units() const { return units_; }
  uint64_t pages() const { return pages_; }
  /// Of those that have to be delivered.
  uint64_t wanted_bytes() const { return wanted_bytes_; }

  void add(size_t block, uint64_t unit, const Error& fault);
  /// It could be read after all. Nothing for one that was never lost.
  void remove(size_t block, uint64_t unit);

  /// Why the first of them, by its place in the guest, cannot be delivered.
  Error first_fault() const;

 private:
  const std::vector<ServedBlock>& blocks_;
  const DeliveryLedger& ledger_;
  std::vector<std::vector<bool>> lost_;  // by block and unit
  uint64_t units_ = 0;
  uint64_t pages_ = 0;
  uint64_t wanted_bytes_ = 0;
  std::map<std::pair<size_t, uint64_t>, Error> faults_;  // of a few of them
};

}  // namespace vmstream
