// SPDX-License-Identifier: MIT
#include "support/forged_index.h"

#include <vmstream/digest.h>
#include <vmstream/indexing.h>
#include <vmstream/parser.h>

#include <algorithm>
#include <array>
#include <functional>

#include "state/page_account.h"

namespace testing {

using namespace vmstream;

namespace {

using Bytes = std::vector<std::byte>;
using PageEdit = std::function<std::optional<PagePlace>(size_t block, uint64_t page, PagePlace)>;

// Keeps the first place of each page.
class Watcher final : public StreamVisitor {
 public:
  Status on_page(const Page& page) override {
    std::string name = page.block ? page.block->name : "";
    first_.try_emplace({name, page.block_offset}, PagePlace::of(page));
    return ok();
  }

  std::map<std::pair<size_t, uint64_t>, PagePlace> resent(const StateIndex& index) const {
    std::map<std::pair<size_t, uint64_t>, PagePlace> found;
    for (const auto& [page, place] : first_) {
      for (size_t number = 0; number < index.facts.blocks.size(); ++number) {
        if (index.facts.blocks[number].block.name != page.first) continue;
        uint64_t page_number = page.second / index.pages->page_size();
        if (index.pages->find(number, page_number) == place) continue;
        found.emplace(std::pair(number, page_number), place);
      }
    }
    return found;
  }

 private:
  std::map<std::pair<std::string, uint64_t>, PagePlace> first_;
};

// Parses once for two visitors.
Status parse(std::span<const std::byte> stream, StreamVisitor& visitor) {
  StreamParser parser(visitor);
  if (auto fed = parser.feed(stream); !fed) return fed;
  return parser.finish();
}

// Makes the numbers fit the lie.
void mend_counts(StateIndex& index) {
  for (size_t block = 0; block < index.pages->block_count(); ++block) {
    std::array<uint64_t, 5> last{};
    for (const PageRun& run : index.pages->runs(block)) {
      last[static_cast<size_t>(run.place.kind())] += run.count;
    }
    auto& records = index.facts.blocks[block].records;
    for (size_t kind = 0; kind < last.size(); ++kind) {
      records[kind] = std::max(records[kind], last[kind]);
    }
  }
  account_for_pages(index);
}

// Shows each page to `edit`, which tells its new place; empty leaves it out. True if any changed.
bool edit_pages(StateIndex& index, const PageEdit& edit) {
  std::vector<PageRuns> blocks(index.pages->block_count());
  bool changed = false;
  for (size_t block = 0; block < blocks.size(); ++block) {
    for (const PageRun& run : index.pages->runs(block)) {
      for (uint64_t page = run.page; page < run.end(); ++page) {
        auto place = edit(block, page, run.place_of(page));
        changed = changed || place != run.place_of(page);
        if (place) blocks[block].push_back({page, 1, run.stride, *place});
      }
    }
  }
  index.pages = PageMap(index.pages->page_size(), std::move(blocks), index.pages->deltas());
  mend_counts(index);
  return changed;
}

struct Location {
  size_t block = 0;
  uint64_t page = 0;
  PagePlace place;
};

// Pages with data, in order.
std::vector<Location> data_pages(const StateIndex& index) {
  std::vector<Location> found;
  for (size_t block = 0; block < index.pages->block_count(); ++block) {
    for (const PageRun& run : index.pages->runs(block)) {
      if (run.place.kind() != PageKind::Data) continue;
      for (uint64_t page = run.page; page < run.end(); ++page) {
        found.push_back({block, page, run.place_of(page)});
      }
    }
  }
  return found;
}

bool is_data(PagePlace place) {
  return place.kind() == PageKind::Data;
}

bool drop_data(StateIndex& index, const ForgeryMaterial&) {
  return edit_pages(index, [](size_t, uint64_t, PagePlace place) {
    return is_data(place) ? std::nullopt : std::optional(place);
  });
}

bool drop_every_other(StateIndex& index, const ForgeryMaterial&) {
  return edit_pages(index, [](size_t, uint64_t page, PagePlace place) {
    return page % 2 == 0 ? std::nullopt : std::optional(place);
  });
}

bool drop_all(StateIndex& index, const ForgeryMaterial&) {
  return edit_pages(index, [](size_t, uint64_t, PagePlace) { return std::nullopt; });
}

bool drop_one(StateIndex& index, const ForgeryMaterial&) {
  auto pages = data_pages(index);
  if (pages.empty()) return false;
  const Location gone = pages[pages.size() / 2];
  return edit_pages(index, [&](size_t block, uint64_t page, PagePlace place) {
    bool is_it = block == gone.block && page == gone.page;
    return is_it ? std::nullopt : std::optional(place);
  });
}

// As if it had never been sent.
bool drop_counted(StateIndex& index, const ForgeryMaterial& truth) {
  if (!drop_one(index, truth)) return false;
  for (size_t block = 0; block < index.pages->block_count(); ++block) {
    index.facts.blocks[block].records = {};
  }
  mend_counts(index);
  return true;
}

bool drop_block(StateIndex& index, const ForgeryMaterial&) {
  auto pages = data_pages(index);
  if (pages.empty()) return false;
  return edit_pages(index, [&](size_t block, uint64_t, PagePlace place) {
    return block == pages[0].block ? std::nullopt : std::optional(place);
  });
}

bool drop_uncounted(StateIndex& index, const ForgeryMaterial& truth) {
  if (!drop_one(index, truth)) return false;
  index.facts = truth.index.facts;
  return true;
}

bool drop_uncounted_digest_right(StateIndex& index, const ForgeryMaterial& truth) {
  if (!drop_one(index, truth)) return false;
  std::string sha256 = index.facts.page_map_sha256;
  index.facts = truth.index.facts;
  index.facts.page_map_sha256 = sha256;
  return true;
}

// As an index of a maker that keeps no account.
bool drop_without_account(StateIndex& index, const ForgeryMaterial& truth) {
  if (!drop_one(index, truth)) return false;
  for (IndexedBlock& block : index.facts.blocks) block.account.reset();
  index.facts.page_map_sha256.clear();
  return true;
}

bool point_elsewhere(StateIndex& index, const ForgeryMaterial&) {
  auto pages = data_pages(index);
  if (pages.size() < 2) return false;
  return edit_pages(index,
                    [&](size_t block, uint64_t page, PagePlace place) -> std::optional<PagePlace> {
                      bool is_it = block == pages[0].block && page == pages[0].page;
                      return is_it ? pages.back().place : place;
                    });
}

bool swap_pages(StateIndex& index, const ForgeryMaterial&) {
  auto pages = data_pages(index);
  if (pages.size() < 2) return false;
  return edit_pages(index,
                    [&](size_t block, uint64_t page, PagePlace place) -> std::optional<PagePlace> {
                      if (block == pages[0].block && page == pages[0].page)
                        return pages.back().place;
                      if (block == pages.back().block && page == pages.back().page)
                        return pages[0].place;
                      return place;
                    });
}

// The record's word tells the offset in the block, and with CONTINUE not the block.
bool swap_blocks(StateIndex& index, const ForgeryMaterial& truth) {
  const PageMap& map = *truth.index.pages;
  if (map.block_count() < 2) return false;
  return edit_pages(index,
                    [&](size_t block, uint64_t page, PagePlace place) -> std::optional<PagePlace> {
                      for (size_t other = 0; other < map.block_count(); ++other) {
                        auto there = map.find(other, page);
                        if (other != block && there && there->kind() == place.kind()) return there;
                      }
                      return place;
                    });
}

bool claim_zero(StateIndex& index, const ForgeryMaterial&) {
  return edit_pages(index, [](size_t, uint64_t, PagePlace place) -> std::optional<PagePlace> {
    return is_data(place) ? PagePlace(PageKind::Zero, 0, place.offset()) : place;
  });
}

bool claim_fill(StateIndex& index, const ForgeryMaterial&) {
  return edit_pages(index, [](size_t, uint64_t, PagePlace place) -> std::optional<PagePlace> {
    return is_data(place) ? PagePlace(PageKind::Fill, 0x5a, place.offset()) : place;
  });
}

// Every record that it names is there; it is not the last.
bool point_to_stale(StateIndex& index, const ForgeryMaterial& truth) {
  return edit_pages(index,
                    [&](size_t block, uint64_t page, PagePlace place) -> std::optional<PagePlace> {
                      auto first = truth.first_places.find({block, page});
                      return first == truth.first_places.end() ? place : first->second;
                    });
}

bool change_deltas(StateIndex& index, const ForgeryMaterial&) {
  auto deltas = index.pages->deltas();
  if (deltas.empty()) return false;
  deltas.front().before = PagePlace();
  std::vector<PageRuns> blocks;
  for (size_t block = 0; block < index.pages->block_count(); ++block) {
    blocks.push_back(index.pages->runs(block));
  }
  index.pages = PageMap(index.pages->page_size(), std::move(blocks), std::move(deltas));
  account_for_pages(index);
  return true;
}

bool miscount_records(StateIndex& index, const ForgeryMaterial&) {
  if (index.facts.blocks.empty()) return false;
  index.facts.blocks[0].records[static_cast<size_t>(PageKind::Zero)] += 3;
  return true;
}

bool rename_block(StateIndex& index, const ForgeryMaterial&) {
  if (index.facts.blocks.empty()) return false;
  index.facts.blocks[0].block.name += "x";
  return true;
}

bool lengthen_block(StateIndex& index, const ForgeryMaterial&) {
  if (index.facts.blocks.empty()) return false;
  index.facts.blocks[0].block.used_length += index.pages->page_size();
  account_for_pages(index);
  return true;
}

bool shorten_stream(StateIndex& index, const ForgeryMaterial&) {
  --index.facts.plain_bytes;
  --index.facts.stream_bytes;
  return true;
}

bool leave_out_record(StateIndex& index, const ForgeryMaterial&) {
  auto& records = *index.records;
  auto slice = std::ranges::find(records, SectionType::Part, &IndexedRecord::type);
  if (slice == records.end())
    slice = std::ranges::find(records, SectionType::End, &IndexedRecord::type);
  if (slice == records.end() || slice == records.begin()) return false;
  std::prev(slice)->length += slice->length * slice->count;
  records.erase(slice);
  return true;
}

bool rename_device(StateIndex& index, const ForgeryMaterial&) {
  for (IndexedRecord& record : *index.records) {
    if (record.type != SectionType::Full || record.idstr.empty()) continue;
    record.idstr[0] = record.idstr[0] == 'x' ? 'y' : 'x';
    return true;
  }
  return false;
}

bool change_digest(StateIndex& index, const ForgeryMaterial&) {
  index.facts.sha256 = std::string(64, '0');
  return true;
}

bool change_machine(StateIndex& index, const ForgeryMaterial&) {
  index.facts.machine += "-other";
  return true;
}

constexpr Forgery kForgeries[] = {
    {"drop-data", "pages with data are absent", false, drop_data},
    {"drop-every-other", "every other page is absent", false, drop_every_other},
    {"drop-all", "all pages are absent", false, drop_all},
    {"drop-one", "one page is absent", false, drop_one},
    {"drop-counted", "one page is absent, and its record is not counted", false, drop_counted},
    {"drop-block", "one block has no pages", false, drop_block},
    {"drop-uncounted", "a page is absent, the counts are the true ones", true, drop_uncounted},
    {"drop-digested", "the same, with the digest of the map that lies", true,
     drop_uncounted_digest_right},
    {"drop-unaccounted", "a page is absent, and nothing is counted", false, drop_without_account},
    {"elsewhere", "a page stands where another one does", false, point_elsewhere},
    {"swap-pages", "two pages stand in each other's place", false, swap_pages},
    {"swap-blocks", "pages of two blocks stand in each other's place", false, swap_blocks},
    {"zero", "pages with data are zero", false, claim_zero},
    {"fill", "pages with data are full of one byte", false, claim_fill},
    {"stale", "pages are as they were sent first", false, point_to_stale},
    {"deltas", "a delta changes a page of zeros", false, change_deltas},
    {"records", "more zero pages were sent", false, miscount_records},
    {"block-name", "a block has another name", false, rename_block},
    {"block-length", "a block is longer", false, lengthen_block},
    {"shorter", "the stream is shorter", true, shorten_stream},
    {"left-out-record", "two records are one", false, leave_out_record},
    {"device-name", "a device has another name", false, rename_device},
    {"sha256", "the stream has another SHA-256", false, change_digest},
    {"machine", "the machine is another", false, change_machine},
};

}  // namespace

ForgeryMaterial forgery_material(std::span<const std::byte> stream) {
  IndexBuilder builder;
  Watcher watcher;
  ForgeryMaterial material;
  StreamParser parser(builder);
  bool whole = parser.feed(stream) && parser.finish() && parse(stream, watcher);
  if (!whole) return material;
  material.index = builder.finish(stream.size(), parser.stream_length(), true);
  Sha256 digest;
  digest.update(stream);
  material.index.facts.sha256 = digest.finish();
  if (material.index.pages) material.first_places = watcher.resent(material.index);
  return material;
}

std::span<const Forgery> forgeries() {
  return kForgeries;
}

const Forgery* find_forgery(std::string_view name) {
  auto found = std::ranges::find(kForgeries, name, &Forgery::name);
  return found == std::end(kForgeries) ? nullptr : &*found;
}

}  // namespace testing
