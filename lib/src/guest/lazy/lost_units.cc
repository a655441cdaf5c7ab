// SPDX-License-Identifier: MIT
#include "guest/lazy/lost_units.h"

#include <fmt/format.h>

#include <vmstream/text.h>

namespace vmstream {
namespace {

// A file may be damaged all over.
constexpr size_t kMostFaults = 100;

}  // namespace

LostUnits::LostUnits(const std::vector<ServedBlock>& blocks, const DeliveryLedger& ledger)
    : blocks_(blocks), ledger_(ledger) {
  for (const ServedBlock& block : blocks_) lost_.emplace_back(block.unit_count());
}

void LostUnits::add(size_t block, uint64_t unit, const Error& fault) {
  const ServedBlock& shape = blocks_[block];
  Error told = fault;
  std::string where =
      fault.file_offset ? fmt::format(" (file offset {:#x})", *fault.file_offset) : std::string();
  told.message = fmt::format("the page at {:#x} of RAM block '{}' cannot be delivered: {}{}",
                             unit * shape.unit_bytes, escape(shape.name), fault.message, where);
  lost_[block][unit] = true;
  ++units_;
  if (faults_.size() < kMostFaults) faults_.emplace(std::pair(block, unit), std::move(told));
  pages_ += shape.pages_of(unit);
  if (ledger_.is_wanted(block, unit)) wanted_bytes_ += shape.unit_bytes;
}

void LostUnits::remove(size_t block, uint64_t unit) {
  if (!lost_[block][unit]) return;
  const ServedBlock& shape = blocks_[block];
  lost_[block][unit] = false;
  --units_;
  faults_.erase({block, unit});
  pages_ -= shape.pages_of(unit);
  if (ledger_.is_wanted(block, unit)) wanted_bytes_ -= shape.unit_bytes;
}

Error LostUnits::first_fault() const {
  if (!faults_.empty()) return faults_.begin()->second;
  return Error{Errc::Malformed, fmt::format("{} pages cannot be delivered", pages_)};
}

}  // namespace vmstream
