// SPDX-License-Identifier: MIT
#include "guest/lazy/page_readahead.h"

#include <algorithm>

namespace vmstream {
namespace {

uint64_t pages_in(const ServedBlock& block, const UnitRange& range) {
  uint64_t first = range.unit * block.unit_pages;
  return std::min(first + range.count * block.unit_pages, block.pages) - first;
}

// What one thread does. A part that cannot be read is a result too: the others are none the worse.
PageBatch read_batch(LazyReader& reader, const std::vector<ServedBlock>& blocks,
                     const std::vector<UnitRange>& ranges) {
  auto bytes_in = [&](const UnitRange& range) {
    return static_cast<size_t>(pages_in(blocks[range.block], range)) * reader.image.page_size();
  };
  PageBatch batch;
  size_t whole = 0;
  for (const UnitRange& range : ranges) whole += bytes_in(range);
  batch.bytes.reserve(whole);
  for (const UnitRange& range : ranges) {
    auto pages = batch.bytes.room().first(bytes_in(range));
    auto read = reader.image.read(range.block, range.unit * blocks[range.block].unit_pages, pages);
    batch.parts.push_back({range, batch.bytes.size(), bool(read)});
    batch.bytes.extend(pages.size());
  }
  return batch;
}

}  // namespace

Result<std::unique_ptr<PageReadahead>> PageReadahead::open(const LazyFile& file,
                                                           const std::vector<ServedBlock>& blocks,
                                                           std::vector<UnitRange> order,
                                                           unsigned threads, WaitLimits limits) {
  threads = std::clamp(count_threads(threads), kFewestThreads, kMostThreads);
  std::vector<std::shared_ptr<LazyReader>> readers;
  for (unsigned i = 0; i < threads; ++i) {
    auto reader = file.open_reader(LazyCache::kSequential, limits);
    if (!reader) return reader.error();
    readers.push_back(std::make_shared<LazyReader>(std::move(*reader)));
  }
  std::unique_ptr<PageReadahead> ahead(
      new PageReadahead(blocks, std::move(order), readers.front()->image.page_size()));
  // Where fewer threads start than were asked for, one more piece of work may be wanted.
  size_t given = 0;
  ahead->pipeline_ = std::make_unique<Pipeline>(threads, [&]() -> Pipeline::Work {
    auto reader = readers[given++ % readers.size()];
    return [reader, &blocks](const std::vector<UnitRange>& ranges) -> Result<PageBatch> {
      return read_batch(*reader, blocks, ranges);
    };
  });
  return ahead;
}

std::vector<UnitRange> PageReadahead::next_batch(const DeliveryLedger& ledger) {
  std::vector<UnitRange> batch;
  uint64_t room = kBatchBytes;
  while (next_ < order_.size() && room > 0) {
    const UnitRange& range = order_[next_];
    if (within_ == range.count) {
      ++next_;
      within_ = 0;
      continue;
    }
    uint64_t unit = range.unit + within_++;
    if (ledger.is_delivered(range.block, unit)) continue;
    bool goes_on = !batch.empty() && batch.back().block == range.block &&
                   batch.back().unit + batch.back().count == unit;
    if (goes_on) {
      ++batch.back().count;
    } else {
      batch.push_back({range.block, unit, 1});
    }
    room -= std::min(room, blocks_[range.block].unit_bytes);
  }
  return batch;
}

void PageReadahead::set_going(const DeliveryLedger& ledger) {
  while (!pipeline_->full() && next_ < order_.size()) {
    auto batch = next_batch(ledger);
    if (!batch.empty()) pipeline_->push(std::move(batch));
  }
}

Status PageReadahead::advance(const DeliveryLedger& ledger) {
  set_going(ledger);
  if (has_units() || pipeline_->empty() || !pipeline_->ready()) return ok();
  auto batch = pipeline_->pop();
  if (!batch) return batch.error();
  batch_ = std::move(*batch);
  part_ = 0;
  part_units_ = 0;
  set_going(ledger);
  return ok();
}

std::optional<ReadUnit> PageReadahead::next() {
  if (!has_units()) return std::nullopt;
  const PageBatch::Part& part = batch_.parts[part_];
  const ServedBlock& block = blocks_[part.range.block];
  uint64_t index = part_units_++;
  ReadUnit unit{part.range.block, part.range.unit + index};
  if (part.is_whole) {
    size_t begin = part.begin + static_cast<size_t>(index * block.unit_pages) * page_size_;
    unit.pages = batch_.bytes.view().subspan(
        begin, static_cast<size_t>(block.pages_of(unit.unit)) * page_size_);
  }
  if (part_units_ == part.range.count) {
    ++part_;
    part_units_ = 0;
  }
  return unit;
}

}  // namespace vmstream
