// SPDX-License-Identifier: MIT
#include "state/index_comparison.h"

#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <string>
#include <string_view>

#include <vmstream/text.h>

namespace vmstream {
namespace {

constexpr size_t kMostBlocksNamed = 20;

// "0x1000 (data)", or that there is none.
std::string describe_place(const std::optional<PagePlace>& place) {
  if (!place || !place->is_sent()) return "nowhere";
  std::string kind(name_of(place->kind()));
  if (place->kind() == PageKind::Fill) kind += fmt::format(" {:#04x}", place->fill());
  return fmt::format("{:#x} ({})", place->offset(), kind);
}

// Collects what differs.
class Comparison {
 public:
  Comparison(const StateIndex& claimed, const StateIndex& scanned)
      : claimed_(claimed), scanned_(scanned) {}

  std::vector<Problem> run() {
    compare_facts();
    if (!scanned_.facts.complete) return std::move(problems_);
    bool same_blocks = compare_ram_blocks();
    if (claimed_.records && scanned_.records) compare_records();
    if (claimed_.pages && !scanned_.pages) add(0, "has a page map, the stream gives none");
    if (claimed_.pages && scanned_.pages && same_blocks) compare_pages();
    return std::move(problems_);
  }

 private:
  void add(uint64_t offset, const std::string& message) {
    problems_.push_back({offset, "index: " + message});
  }

  template <typename T>
  void expect(std::string_view what, const T& claimed, const T& scanned) {
    if (claimed == scanned) return;
    add(0, fmt::format("{} is {}, wanted {} as in the stream", what, claimed, scanned));
  }

  void compare_facts();
  bool compare_ram_blocks();
  void compare_ram_block(const IndexedBlock& claimed, const IndexedBlock& scanned);
  void compare_records();
  void compare_pages();
  std::optional<uint64_t> first_page_that_differs(size_t block) const;
  void compare_deltas();

  const StateIndex& claimed_;
  const StateIndex& scanned_;
  std::vector<Problem> problems_;
};

void Comparison::compare_facts() {
  const StateFacts& said = claimed_.facts;
  const StateFacts& is = scanned_.facts;
  expect("plain length", said.plain_bytes, is.plain_bytes);
  expect("length of the stream", said.stream_bytes, is.stream_bytes);
  if (!said.sha256.empty() && !is.sha256.empty()) {
    expect("SHA-256", escape(said.sha256), is.sha256);
  }
  expect("word on whether the stream is complete", said.complete, is.complete);
  expect("stream version", said.stream_version, is.stream_version);
  expect("machine type", escape(said.machine), escape(escape(is.machine)));
  expect("page size", said.target_page_size, is.target_page_size);
  expect("version of the ram section", said.ram_version, is.ram_version);
  expect("size of the RAM", said.ram_bytes, is.ram_bytes);
  // Mapped pages have no records: their bytes count where somebody read them.
  bool is_mapped = std::ranges::any_of(
      is.blocks, [](const IndexedBlock& entry) { return entry.block.mapped.has_value(); });
  if (!is_mapped) {
    expect("number of bytes in page records", said.page_record_bytes, is.page_record_bytes);
  }
  expect("word on postcopy", said.postcopy, is.postcopy);
  expect("number of problems", said.problems, is.problems);
  if (!said.page_map_sha256.empty() && !is.page_map_sha256.empty()) {
    expect("SHA-256 of the page map", escape(said.page_map_sha256), is.page_map_sha256);
  }
}

// Whether pages can be compared by the number of their block.
bool Comparison::compare_ram_blocks() {
  const auto& said = claimed_.facts.blocks;
  const auto& is = scanned_.facts.blocks;
  expect("number of RAM blocks", said.size(), is.size());
  for (size_t number = 0; number < std::min(said.size(), is.size()); ++number) {
    if (problems_.size() > kMostBlocksNamed) break;
    compare_ram_block(said[number], is[number]);
  }
  return said.size() == is.size();
}

void Comparison::compare_ram_block(const IndexedBlock& claimed, const IndexedBlock& scanned) {
  const RamBlock& said = claimed.block;
  const RamBlock& is = scanned.block;
  std::string block = fmt::format("RAM block '{}'", escape(is.name));
  if (said.name != is.name) {
    return add(is.offset, fmt::format("RAM block is '{}', wanted '{}' as in the stream",
                                      escape(said.name), escape(is.name)));
  }
  expect(block + ": length", said.used_length, is.used_length);
  expect(block + ": place in the list", said.offset, is.offset);
  expect(block + ": page size", said.page_size.value_or(0), is.page_size.value_or(0));
  expect(block + ": guest address", said.guest_address.value_or(0), is.guest_address.value_or(0));
  auto mapped = [](const RamBlock& one) { return one.mapped.value_or(MappedRam{}); };
  expect(block + ": page size of its area", mapped(said).page_size, mapped(is).page_size);
  expect(block + ": place of its bitmap", mapped(said).bitmap_offset, mapped(is).bitmap_offset);
  expect(block + ": place of its area", mapped(said).pages_offset, mapped(is).pages_offset);
  for (size_t kind = 0; kind < claimed.records.size(); ++kind) {
    expect(fmt::format("{}: number of {} records", block, name_of(static_cast<PageKind>(kind))),
           claimed.records[kind], scanned.records[kind]);
  }
  if (!claimed.account || !scanned.account) return;
  expect(block + ": number of pages sent", claimed.account->sent, scanned.account->sent);
  expect(block + ": number of absent pages", claimed.account->absent, scanned.account->absent);
}

void Comparison::compare_records() {
  const auto& said = *claimed_.records;
  const auto& is = *scanned_.records;
  auto [one, other] = std::ranges::mismatch(said, is);
  if (one == said.end() && other == is.end()) return;
  uint64_t offset = other == is.end() ? one->offset : other->offset;
  add(offset,
      fmt::format("its table of records differs from entry {} on: {}, the stream has {}",
                  one - said.begin(),
                  one == said.end() ? "it ends" : fmt::format("a record at {:#x}", one->offset),
                  other == is.end() ? "none" : fmt::format("one at {:#x}", other->offset)));
}

// Runs may be cut otherwise and still be the same pages.
std::optional<uint64_t> Comparison::first_page_that_differs(size_t block) const {
  const PageRuns& said = claimed_.pages->runs(block);
  const PageRuns& is = scanned_.pages->runs(block);
  auto one = said.begin();
  auto other = is.begin();
  uint64_t page = 0;
  for (;;) {
    while (one != said.end() && one->end() <= page) ++one;
    while (other != is.end() && other->end() <= page) ++other;
    uint64_t next_one = one == said.end() ? UINT64_MAX : std::max(one->page, page);
    uint64_t next_other = other == is.end() ? UINT64_MAX : std::max(other->page, page);
    if (next_one != next_other) return std::min(next_one, next_other);
    if (next_one == UINT64_MAX) return std::nullopt;
    page = next_one;
    if (one->place_of(page) != other->place_of(page)) return page;
    uint64_t end = std::min(one->end(), other->end());
    if (one->stride != other->stride && page + 1 < end) return page + 1;
    page = end;
  }
}

void Comparison::compare_pages() {
  expect("page size of its map", claimed_.pages->page_size(), scanned_.pages->page_size());
  expect("number of blocks in its map", claimed_.pages->block_count(),
         scanned_.pages->block_count());
  if (claimed_.pages->block_count() != scanned_.facts.blocks.size()) return;
  for (size_t block = 0; block < scanned_.pages->block_count(); ++block) {
    if (problems_.size() > 2 * kMostBlocksNamed) return;
    auto page = first_page_that_differs(block);
    if (!page) continue;
    auto said = claimed_.pages->find(block, *page);
    auto is = scanned_.pages->find(block, *page);
    add(is ? is->offset() : said->offset(),
        fmt::format("page {:#x} of RAM block '{}' is at {}, in the stream at {}",
                    *page * scanned_.pages->page_size(),
                    escape(scanned_.facts.blocks[block].block.name), describe_place(said),
                    describe_place(is)));
  }
  compare_deltas();
}

void Comparison::compare_deltas() {
  const auto& said = claimed_.pages->deltas();
  const auto& is = scanned_.pages->deltas();
  auto [one, other] = std::ranges::mismatch(said, is);
  if (one == said.end() && other == is.end()) return;
  auto told = [](const PageDelta& delta) {
    return fmt::format("{:#x} on {}", delta.offset, describe_place(delta.before));
  };
  add(other == is.end() ? one->offset : other->offset,
      fmt::format("its delta {} is {}, in the stream {}", one - said.begin(),
                  one == said.end() ? "missing" : told(*one),
                  other == is.end() ? "there is none" : told(*other)));
}

}  // namespace

std::vector<Problem> compare_index(const StateIndex& claimed, const StateIndex& scanned) {
  return Comparison(claimed, scanned).run();
}

}  // namespace vmstream
