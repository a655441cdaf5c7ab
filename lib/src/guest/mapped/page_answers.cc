// SPDX-License-Identifier: MIT
#include "guest/mapped/page_answers.h"

#include <unistd.h>

#include <algorithm>

#include "guest/lazy/lazy_reader.h"
#include "pipeline/buffer.h"
#include "pipeline/ordered_pipeline.h"

namespace vmstream {
namespace {

constexpr uint64_t kLaneBytes = 1u << 20;

size_t host_page() {
  return static_cast<size_t>(::sysconf(_SC_PAGESIZE));
}

// Whole pages of the target that hold the bytes asked for. The first may begin before them.
struct Stretch {
  uint64_t first_page = 0;
  size_t bytes = 0;
  size_t skipped = 0;

  Stretch(const PageRequest& request, uint64_t page_size)
      : first_page(request.offset / page_size),
        skipped(static_cast<size_t>(request.offset % page_size)) {
    uint64_t wanted = skipped + request.length;
    bytes = static_cast<size_t>((wanted + page_size - 1) / page_size * page_size);
  }
};

}  // namespace

Result<std::unique_ptr<PageAnswers>> PageAnswers::open(const LazyFile& file, unsigned threads,
                                                       Mailbox<LostBytes>& lost) {
  std::unique_ptr<PageAnswers> answers(new PageAnswers(lost));
  std::vector<WorkerLanes<PageRequest>::Work> works;
  threads = std::min(count_threads(threads), MemoryView::kMostThreads);
  for (unsigned i = 0; i < threads; ++i) {
    auto opened = file.open_reader(LazyCache::kScattered);
    if (!opened) return opened.error();
    auto reader = std::make_shared<LazyReader>(std::move(*opened));
    works.emplace_back([reader, answers = answers.get()](const PageRequest& request) {
      answers->answer(*reader, request);
    });
  }
  answers->lanes_ = std::make_unique<WorkerLanes<PageRequest>>(std::move(works));
  return answers;
}

void PageAnswers::answer(const PageRequest& request) {
  ++reads_;
  size_t stripe = static_cast<size_t>(request.offset / kLaneBytes);
  lanes_->push((stripe + request.file) % lanes_->count(), request);
}

void PageAnswers::answer(LazyReader& reader, const PageRequest& request) {
  uint64_t page_size = reader.image.page_size();
  uint64_t end = reader.image.page_count(request.file) * page_size;
  PageRequest within = request;
  within.length =
      static_cast<size_t>(std::min<uint64_t>(request.length, end - std::min(end, request.offset)));
  Stretch stretch(within, page_size);
  Buffer buffer;
  buffer.reserve(stretch.bytes);
  auto pages = buffer.room().first(stretch.bytes);
  auto read = reader.image.read(request.file, stretch.first_page, pages);
  if (!read) return leave_out(request, read.error(), static_cast<size_t>(page_size));
  bytes_ += within.length;
  request.answer(pages.subspan(stretch.skipped, within.length));
}

void PageAnswers::leave_out(const PageRequest& request, const Error& error, size_t page_size) {
  if (request.length > std::max(host_page(), page_size)) return request.refuse();
  lost_.put({request, error});
}

}  // namespace vmstream
