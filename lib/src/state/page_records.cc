// SPDX-License-Identifier: MIT
#include "state/page_records.h"

#include <algorithm>
#include <utility>

#include "format/ram/ram_records.h"

namespace vmstream {
namespace {

constexpr uint64_t kPieceBytes = 1u << 20;

}  // namespace

PageRecords::PageRecords(RamImage& image, const std::vector<std::string>& left_out)
    : image_(image) {
  const auto& all = image_.blocks();
  for (size_t i = 0; i < all.size(); ++i) {
    bool is_wanted = std::ranges::find(left_out, all[i].block.name) == left_out.end();
    if (is_wanted) blocks_.push_back({i, all[i].block});
  }
  if (!blocks_.empty()) run_ = image_.map().runs(blocks_[0].number).begin();
  skip_done();
}

// To the next run that is there.
void PageRecords::skip_done() {
  while (!all_made() && run_ == image_.map().runs(blocks_[next_].number).end()) {
    named_ = false;
    if (++next_ < blocks_.size()) run_ = image_.map().runs(blocks_[next_].number).begin();
  }
}

// Up to a piece's worth of one run.
Status PageRecords::append(Bytes& out) {
  uint64_t page = run_->page + done_in_run_;
  uint64_t count = std::min(run_->end() - page, kPieceBytes / image_.page_size());
  if (auto added = append_pages(out, *run_, page, count); !added) return added;
  done_in_run_ += count;
  if (page + count < run_->end()) return ok();
  ++run_;
  done_in_run_ = 0;
  skip_done();
  return ok();
}

Status PageRecords::append_pages(Bytes& out, const PageRun& run, uint64_t first, uint64_t count) {
  const Block& block = blocks_[next_];
  PageKind kind = run.place.kind();
  bool is_filled = kind == PageKind::Zero || kind == PageKind::Fill;
  content_.resize(static_cast<size_t>(is_filled ? 0 : count * image_.page_size()));
  if (!is_filled) {
    auto absent = image_.read(block.number, first, content_);
    if (!absent) return absent.error();
  }
  for (uint64_t i = 0; i < count; ++i) {
    Page page{.block = &block.block,
              .block_offset = (first + i) * image_.page_size(),
              .kind = is_filled ? kind : PageKind::Data,
              .fill = run.place.fill(),
              .continued = std::exchange(named_, true),
              .size = image_.page_size()};
    if (!is_filled) {
      page.payload = std::span(content_).subspan(static_cast<size_t>(i * page.size), page.size);
    }
    if (auto added = append_page(out, page); !added) return added;
  }
  return ok();
}

}  // namespace vmstream
