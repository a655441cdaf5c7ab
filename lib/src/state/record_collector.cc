// SPDX-License-Identifier: MIT
#include "state/record_collector.h"

#include <fmt/format.h>

namespace vmstream {
namespace {

// Whether `next` is one more of what `record` counts.
bool repeats(const IndexedRecord& record, const IndexedRecord& next) {
  if (next.offset != record.end()) return false;
  IndexedRecord like = next;
  like.offset = record.offset;
  like.count = record.count;
  return like == record;
}

}  // namespace

void RecordCollector::add(IndexedRecord record) {
  if (given_up_) return;
  record.packaged = packaged_;
  if (!records_.empty() && repeats(records_.back(), record)) {
    ++records_.back().count;
    return;
  }
  if (records_.size() == most_records_) {
    return give_up(fmt::format("more than {} records", most_records_));
  }
  if (!records_.empty() && record.offset < records_.back().end()) {
    return give_up(fmt::format("records overlap at {:#x}", record.offset));
  }
  records_.push_back(std::move(record));
}

void RecordCollector::give_up(std::string reason) {
  given_up_ = std::move(reason);
  records_ = {};
}

void RecordCollector::open(const SectionHeader& header, uint64_t pages_before) {
  open_ = IndexedRecord{.type = header.type,
                        .offset = header.offset,
                        .section_id = header.section_id,
                        .idstr = header.idstr,
                        .instance_id = header.instance_id,
                        .version_id = header.version_id};
  pages_before_ = pages_before;
}

void RecordCollector::close(const SectionEnd& end, uint64_t pages_now) {
  if (!open_) return;
  open_->length = end.end_offset - open_->offset;
  open_->body_length = end.body_length;
  open_->footer = end.footer;
  open_->bounded_by = end.bounded_by;
  open_->page_records = pages_now - pages_before_;
  add(std::move(*open_));
  open_.reset();
}

}  // namespace vmstream
