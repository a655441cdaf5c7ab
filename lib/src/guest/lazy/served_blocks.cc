// SPDX-License-Identifier: MIT
#include "guest/lazy/served_blocks.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>

#include <vmstream/text.h>
#include "base/json.h"

namespace vmstream {
namespace {

std::string_view take_line(std::string_view& text) {
  size_t end = text.find('\n');
  std::string_view line = text.substr(0, end);
  text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
  return line;
}

std::string_view trimmed(std::string_view text) {
  size_t first = text.find_first_not_of(' ');
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(' ') - first + 1);
}

// "4 KiB", as QEMU spells a page size; 0 for anything else.
uint64_t parse_page_size(std::string_view number, std::string_view unit) {
  uint64_t value = 0;
  auto [end, fault] = std::from_chars(number.data(), number.data() + number.size(), value);
  if (fault != std::errc() || end != number.data() + number.size()) return 0;
  if (unit == "KiB") return value << 10;
  if (unit == "MiB") return value << 20;
  return unit == "GiB" ? value << 30 : 0;
}

// Takes the last word off `text`.
std::string_view take_last_word(std::string_view& text) {
  text = trimmed(text);
  size_t space = text.rfind(' ');
  std::string_view word = text.substr(space == std::string_view::npos ? 0 : space + 1);
  text.remove_suffix(word.size());
  return word;
}

uint64_t own_page_size() {
  return static_cast<uint64_t>(::sysconf(_SC_PAGESIZE));
}

}  // namespace

// A line is: name, page size, and numbers that begin with 0x. Names may hold blanks.
HostPages parse_host_pages(std::string_view text) {
  HostPages pages;
  while (!text.empty()) {
    std::string_view line = take_line(text);
    std::string_view front = line.substr(0, line.find(" 0x"));
    if (front.size() == line.size()) continue;
    std::string_view unit = take_last_word(front);
    uint64_t bytes = parse_page_size(take_last_word(front), unit);
    if (bytes != 0) pages.emplace(trimmed(front), bytes);
  }
  return pages;
}

HostPages query_host_pages(QmpClient& qmp) {
  auto answer = qmp.execute("human-monitor-command", to_text({{"command-line", "info ramblock"}}));
  if (!answer) return {};
  Json text = Json::parse(*answer, nullptr, /*allow_exceptions=*/false);
  return text.is_string() ? parse_host_pages(text.get<std::string>()) : HostPages();
}

Result<std::vector<ServedBlock>> served_blocks(const StateIndex& index,
                                               const HostPages& host_pages) {
  std::vector<ServedBlock> blocks;
  uint64_t page_size = index.pages->page_size();
  uint64_t common = std::max(page_size, own_page_size());
  uint64_t units = 0;
  for (const IndexedBlock& entry : index.facts.blocks) {
    auto found = host_pages.find(entry.block.name);
    uint64_t unit = found == host_pages.end() ? common : std::max(page_size, found->second);
    if (unit > kMostUnitBytes) {
      return Error{
          .code = Errc::Unsupported,
          .message = fmt::format("RAM block '{}' of QEMU has pages of {} bytes, at most {} "
                                 "are filled one by one",
                                 escape(entry.block.name), unit, kMostUnitBytes),
          .hint = "restore it without --lazy"};
    }
    uint64_t size = entry.block.used_length;
    uint64_t pages = size / page_size + (size % page_size != 0 ? 1 : 0);
    blocks.push_back({entry.block.name, pages, unit / page_size, unit, unit > common});
    units += blocks.back().unit_count();
    if (pages > kMostUnits || units > kMostUnits) {
      return Error{
          Errc::Unsupported,
          fmt::format("the RAM has more than {} pages, the limit of a lazy restore", kMostUnits)};
    }
  }
  return blocks;
}

DeliveryLedger::DeliveryLedger(const std::vector<ServedBlock>& blocks) {
  for (const ServedBlock& block : blocks) {
    delivered_.emplace_back(block.unit_count());
    wanted_.emplace_back(block.unit_count());
    unit_bytes_.push_back(block.unit_bytes);
  }
}

void DeliveryLedger::want(const UnitRange& range) {
  for (uint64_t unit = range.unit; unit < range.unit + range.count; ++unit) {
    if (wanted_[range.block][unit] || delivered_[range.block][unit]) continue;
    wanted_[range.block][unit] = true;
    left_bytes_ += unit_bytes_[range.block];
  }
}

void DeliveryLedger::mark(size_t block, uint64_t unit) {
  delivered_[block][unit] = true;
  if (!wanted_[block][unit]) return;
  wanted_[block][unit] = false;
  left_bytes_ -= unit_bytes_[block];
}

bool DeliveryLedger::mark_received(size_t block, const ServedBlock& shape,
                                   std::span<const std::byte> bitmap) {
  if (bitmap.size() < (shape.pages + 7) / 8) return false;
  auto is_received = [bitmap](uint64_t page) {
    return (std::to_integer<unsigned>(bitmap[static_cast<size_t>(page / 8)]) >> page % 8 & 1) != 0;
  };
  for (uint64_t unit = 0; unit < shape.unit_count(); ++unit) {
    uint64_t page = unit * shape.unit_pages;
    uint64_t end = page + shape.pages_of(unit);
    while (page < end && is_received(page)) ++page;
    if (page == end) mark(block, unit);
  }
  return true;
}

std::vector<UnitRange> units_in_file_order(const PageMap& map,
                                           const std::vector<ServedBlock>& blocks) {
  struct Placed {
    uint64_t offset;
    UnitRange range;
  };
  std::vector<Placed> placed;
  for (size_t block = 0; block < blocks.size(); ++block) {
    uint64_t unit_pages = blocks[block].unit_pages;
    uint64_t next = 0;  // the first unit that no run has claimed
    for (const PageRun& run : map.runs(block)) {
      if (run.place.kind() == PageKind::Zero || run.count == 0) continue;
      uint64_t first = std::max(run.page / unit_pages, next);
      next = std::max(next, (run.end() - 1) / unit_pages + 1);
      if (first < next) placed.push_back({run.place.offset(), {block, first, next - first}});
    }
  }
  std::ranges::stable_sort(placed, {}, &Placed::offset);
  std::vector<UnitRange> ranges;
  ranges.reserve(placed.size());
  for (const Placed& one : placed) ranges.push_back(one.range);
  return ranges;
}

}  // namespace vmstream
