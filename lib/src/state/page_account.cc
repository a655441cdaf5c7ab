// SPDX-License-Identifier: MIT
#include "state/page_account.h"

#include <fmt/format.h>

#include <array>
#include <numeric>

#include <vmstream/digest.h>
#include <vmstream/text.h>
#include "state/index_tables.h"

namespace vmstream {
namespace {

Error malformed(std::string message) {
  return Error{Errc::Malformed, "index: " + std::move(message)};
}

// As many as the block's length makes.
uint64_t pages_of(const RamBlock& block, uint64_t page_size) {
  if (page_size == 0) return 0;
  return block.used_length / page_size + (block.used_length % page_size != 0 ? 1 : 0);
}

Status check_counts(const IndexedBlock& entry, uint64_t pages, uint64_t sent) {
  if (!entry.account) return ok();
  const PageAccount& account = *entry.account;
  if (account.sent == sent && account.absent == pages - sent) return ok();
  return malformed(fmt::format(
      "of the {} pages of RAM block '{}' its map has {}, its facts count {} sent and {} absent",
      pages, escape(entry.block.name), sent, account.sent, account.absent));
}

// A page's last record is one of those that were counted.
Status check_records(const IndexedBlock& entry, const PageRuns& runs) {
  uint64_t counted = std::accumulate(entry.records.begin(), entry.records.end(), uint64_t{0});
  if (counted == 0 && !entry.account) return ok();  // of a maker that does not count
  std::array<uint64_t, 5> last{};
  for (const PageRun& run : runs) last[static_cast<size_t>(run.place.kind())] += run.count;
  for (size_t kind = 0; kind < last.size(); ++kind) {
    if (last[kind] <= entry.records[kind]) continue;
    return malformed(fmt::format("its map has {} {} pages of RAM block '{}', its facts count {}",
                                 last[kind], name_of(static_cast<PageKind>(kind)),
                                 escape(entry.block.name), entry.records[kind]));
  }
  return ok();
}

Status check_block(const IndexedBlock& entry, const PageRuns& runs, uint64_t sent,
                   uint64_t page_size) {
  uint64_t pages = pages_of(entry.block, page_size);
  if (!runs.empty() && runs.back().end() > pages) {
    return malformed(
        fmt::format("pages behind the end of RAM block '{}'", escape(entry.block.name)));
  }
  if (auto agrees = check_counts(entry, pages, sent); !agrees) return agrees;
  return check_records(entry, runs);
}

}  // namespace

std::string page_map_sha256(std::span<const std::byte> pages, std::span<const std::byte> deltas) {
  Sha256 digest;
  digest.update(pages);
  digest.update(deltas);
  return digest.finish();
}

void account_for_pages(StateIndex& index) {
  const PageMap& map = *index.pages;
  for (size_t number = 0; number < map.block_count(); ++number) {
    IndexedBlock& entry = index.facts.blocks[number];
    uint64_t sent = map.count_pages(number);
    uint64_t pages = pages_of(entry.block, map.page_size());
    // In a damaged stream pages may stand behind the end of their block.
    entry.account = PageAccount{.sent = sent, .absent = pages > sent ? pages - sent : 0};
  }
  Bytes deltas = map.deltas().empty() ? Bytes() : write_deltas(map);
  index.facts.page_map_sha256 = page_map_sha256(write_pages(map), deltas);
}

Status check_account(const StateFacts& facts, const PageMap& map, const std::string& sha256) {
  if (!facts.page_map_sha256.empty() && facts.page_map_sha256 != sha256) {
    return malformed(fmt::format("its page map has SHA-256 {}, its facts say {}", sha256,
                                 escape(facts.page_map_sha256)));
  }
  if (map.block_count() != facts.blocks.size()) {
    return malformed(fmt::format("pages of {} RAM blocks, {} are listed", map.block_count(),
                                 facts.blocks.size()));
  }
  for (size_t number = 0; number < map.block_count(); ++number) {
    auto agrees = check_block(facts.blocks[number], map.runs(number), map.count_pages(number),
                              map.page_size());
    if (!agrees) return agrees;
  }
  return ok();
}

}  // namespace vmstream
