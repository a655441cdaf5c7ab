// SPDX-License-Identifier: MIT
// As text a working set is a head, then a line a range.
#include "guest/lazy/working_set.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include <vmstream/text.h>

namespace vmstream {
namespace {

constexpr std::string_view kHead = "vmstream working set 1\n";

Error malformed(size_t line) {
  return Error{Errc::Malformed,
               fmt::format("working set: line {} is no offset, length and RAM block", line)};
}

// Takes a hexadecimal number and the blank behind it off `line`.
bool take_number(std::string_view& line, uint64_t& value) {
  if (!line.starts_with("0x")) return false;
  line.remove_prefix(2);
  auto [end, fault] = std::from_chars(line.data(), line.data() + line.size(), value, 16);
  if (fault != std::errc()) return false;
  line.remove_prefix(static_cast<size_t>(end - line.data()));
  if (!line.starts_with(' ')) return false;
  line.remove_prefix(1);
  return true;
}

}  // namespace

std::string WorkingSet::to_text() const {
  std::string text(kHead);
  for (const Range& range : ranges) {
    text += fmt::format("{:#x} {:#x} {}\n", range.offset, range.length, escape(range.block));
  }
  return text;
}

Result<WorkingSet> WorkingSet::parse(std::string_view text) {
  if (!text.starts_with(kHead)) return Error{Errc::Malformed, "no working set of vmrestore"};
  text.remove_prefix(kHead.size());
  WorkingSet set;
  for (size_t number = 2; !text.empty(); ++number) {
    std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(line.size() + 1, text.size()));
    Range range;
    bool fits = take_number(line, range.offset) && take_number(line, range.length) && !line.empty();
    if (!fits) return malformed(number);
    range.block = line;
    set.ranges.push_back(std::move(range));
  }
  return set;
}

std::vector<UnitRange> units_of(const WorkingSet& set, const std::vector<ServedBlock>& blocks) {
  std::vector<UnitRange> units;
  for (const WorkingSet::Range& range : set.ranges) {
    auto block = std::ranges::find(blocks, range.block, &ServedBlock::name);
    if (block == blocks.end() || range.length == 0) continue;
    uint64_t size = block->unit_count() * block->unit_bytes;
    if (range.offset >= size) continue;
    uint64_t last = range.offset + std::min(range.length, size - range.offset) - 1;
    uint64_t first_unit = range.offset / block->unit_bytes;
    units.push_back({static_cast<size_t>(block - blocks.begin()), first_unit,
                     last / block->unit_bytes - first_unit + 1});
  }
  return units;
}

WorkingSet working_set_of(const std::vector<UnitRange>& units,
                          const std::vector<ServedBlock>& blocks) {
  WorkingSet set;
  for (const UnitRange& unit : units) {
    const ServedBlock& block = blocks[unit.block];
    WorkingSet::Range next{block.name, unit.unit * block.unit_bytes, unit.count * block.unit_bytes};
    bool goes_on = !set.ranges.empty() && set.ranges.back().block == next.block &&
                   set.ranges.back().offset + set.ranges.back().length == next.offset;
    if (goes_on) {
      set.ranges.back().length += next.length;
    } else {
      set.ranges.push_back(std::move(next));
    }
  }
  return set;
}

}  // namespace vmstream
