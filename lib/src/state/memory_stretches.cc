// SPDX-License-Identifier: MIT
#include "state/memory_stretches.h"

#include <fmt/format.h>

#include <vmstream/parser.h>
#include "state/wanted_feed.h"

namespace vmstream {
namespace {

constexpr size_t kMostStretches = 1u << 21;  // 48 MiB
constexpr const char* kRam = "ram";

// Tells of the sections of ram as a table of records would.
class SectionVisitor final : public StreamVisitor {
 public:
  explicit SectionVisitor(MemoryStretches& stretches) : stretches_(stretches) {}

  Status on_section(const SectionHeader&) override {
    pages_ = 0;
    return ok();
  }
  Status on_page(const Page&) override {
    ++pages_;
    return ok();
  }
  Status on_section_end(const SectionHeader& header, const SectionEnd& end) override {
    if (header.idstr != kRam) return ok();
    return stretches_.add({.type = header.type,
                           .offset = header.offset,
                           .length = end.end_offset - header.offset,
                           .section_id = header.section_id,
                           .idstr = header.idstr,
                           .instance_id = header.instance_id,
                           .version_id = header.version_id,
                           .footer = end.footer,
                           .page_records = pages_});
  }

 private:
  MemoryStretches& stretches_;
  uint64_t pages_ = 0;  // of the section that is open
};

Status read_through(RandomSource& plain, MemoryStretches& stretches) {
  SectionVisitor visitor(stretches);
  StreamParser parser(visitor);
  return WantedFeed(plain, parser).run();
}

}  // namespace

Result<MemoryStretches> MemoryStretches::find(RandomSource& plain, const StateIndex& index) {
  MemoryStretches found;
  if (!index.records) {
    if (auto read = read_through(plain, found); !read) return read.error();
    return found;
  }
  for (const IndexedRecord& record : *index.records) {
    if (auto added = found.add(record); !added) return added.error();
  }
  return found;
}

Status MemoryStretches::add(const IndexedRecord& record) {
  if (record.idstr != kRam) return ok();
  if (record.type == SectionType::Start) pages_in_start_ |= record.page_records > 0;
  bool is_end = record.type == SectionType::End;
  if (record.type != SectionType::Part && !is_end) return ok();
  bool goes_on = !stretches_.empty() && stretches_.back().end == record.offset;
  if (!goes_on) {
    if (stretches_.empty()) section_ = record;
    if (stretches_.size() == kMostStretches) {
      return Error{Errc::Unsupported,
                   fmt::format("the memory stands in more than {} places, the limit of what is put "
                               "into another order",
                               kMostStretches),
                   record.offset};
    }
    stretches_.push_back({.offset = record.offset});
  }
  stretches_.back().end = record.end();
  stretches_.back().has_end |= is_end;
  return ok();
}

}  // namespace vmstream
