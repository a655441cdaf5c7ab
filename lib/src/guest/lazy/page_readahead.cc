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
  PageBatch batch;
  size_t page_size = reader.image.page_size();
  for (const UnitRange& range : ranges) {
    const ServedBlock& block = blocks[range.block];
    size_t begin = batch.bytes.size();
    batch.bytes.resize(begin + static_cast<size_t>(pages_in(block, range)) * page_size);
    auto read = reader.image.read(range.block, range.unit * block.unit_pages,
                                  std::span(batch.bytes).subspan(begin));
    batch.parts.push_back({range, begin, {}});
    if (!read) batch.parts.back().fault = read.error();
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
  std::unique_ptr<PageReadahead> ahead(new PageReadahead(blocks, std::move(order)));
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

void PageReadahead::advance(const DeliveryLedger& ledger) {
  while (!pipeline_->full() && next_ < order_.size()) {
    auto batch = next_batch(ledger);
    if (!batch.empty()) pipeline_->push(std::move(batch));
  }
}

}  // namespace vmstream
