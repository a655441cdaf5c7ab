// SPDX-License-Identifier: MIT
// Working sets as text: a head, then a line a range.
#include <vmstream/lazy_restore.h>

#include <fmt/format.h>

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

}  // namespace vmstream
