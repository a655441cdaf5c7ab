// SPDX-License-Identifier: MIT
#include "guest/capture/page_counts.h"

#include <fmt/format.h>

#include <tuple>

namespace vmstream {
namespace {

double seconds_between(Clock::time_point from, Clock::time_point to) {
  return std::chrono::duration<double>(to - from).count();
}

}  // namespace

Status PageTally::on_page(const Page& page) {
  switch (page.kind) {
    case PageKind::Data:
      ++normal_;
      break;
    case PageKind::Zero:
    case PageKind::Fill:
      ++duplicate_;
      break;
    case PageKind::Xbzrle:
    case PageKind::Compressed:
      break;
  }
  return ok();
}

Status PageTally::compare(const RamProgress& sent) const {
  if (sent.normal_pages.value_or(normal_) == normal_ &&
      sent.duplicate_pages.value_or(duplicate_) == duplicate_) {
    return ok();
  }
  return Error{.code = Errc::Environment,
               .message = fmt::format("this is not the stream that QEMU has sent: it has {} normal "
                                      "and {} duplicate pages, QEMU counts {} and {}",
                                      normal_, duplicate_, sent.normal_pages.value_or(0),
                                      sent.duplicate_pages.value_or(0)),
               .hint =
                   "somebody else may have connected in its place; try again over a unix "
                   "socket monitor"};
}

Status PassMeter::on_page(const Page& page) {
  // Blocks of one list lie in its order in memory too.
  bool goes_back = std::tie(page.block, page.block_offset) <= std::tie(block_, block_offset_);
  bool may_begin = rounds_ && passes_.size() < kMostPasses;
  if (passes_.empty() || (may_begin && goes_back)) begin_pass();
  block_ = page.block;
  block_offset_ = page.block_offset;
  ++passes_.back().pages;
  passes_.back().bytes += page.payload_offset - page.offset + page.payload.size();
  return ok();
}

void PassMeter::begin_pass() {
  auto now = Clock::now();
  if (!passes_.empty()) passes_.back().seconds = seconds_between(begun_, now);
  begun_ = now;
  passes_.emplace_back();
}

std::vector<CapturePass> PassMeter::passes() const {
  auto passes = passes_;
  if (!passes.empty()) passes.back().seconds = seconds_between(begun_, Clock::now());
  return passes;
}

}  // namespace vmstream
