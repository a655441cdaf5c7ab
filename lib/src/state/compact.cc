// SPDX-License-Identifier: MIT
#include <vmstream/state_writer.h>

#include <algorithm>

#include <vmstream/ram_image.h>
#include "io/piecewise_source.h"
#include "state/page_records.h"
#include "state/rewriting.h"

namespace vmstream {
namespace {

constexpr uint64_t kPieceBytes = 1u << 20;
constexpr uint32_t kNamedBlocks = 4;  // the ram version that has a block list

Status check(const StateIndex& index) {
  const StateFacts& facts = index.facts;
  if (!facts.complete || facts.problems > 0) {
    return Error{Errc::Malformed, "a stream that is not whole cannot be put into another order"};
  }
  bool mapped = std::ranges::any_of(
      facts.blocks, [](const IndexedBlock& block) { return block.block.mapped.has_value(); });
  if (facts.postcopy || mapped || facts.ram_version != kNamedBlocks) {
    return Error{Errc::Unsupported, "pages of this kind of stream have an order of their own"};
  }
  if (!index.records || !index.pages) {
    return Error{Errc::Unsupported,
                 "the stream's index was given up" +
                     (facts.left_out.empty() ? std::string() : ": " + facts.left_out.front())};
  }
  return ok();
}

bool is_memory(const IndexedRecord& record) {
  return record.idstr == "ram" &&
         (record.type == SectionType::Part || record.type == SectionType::End);
}

// Gives the stream piece by piece: what is no memory from `plain`, all of the memory in place of
// the first section that has some, nothing for the others.
class CompactSource final : public PiecewiseSource {
 public:
  CompactSource(RandomSource& plain, uint64_t length, std::vector<IndexedRecord> records,
                RamImage image)
      : plain_(plain), length_(length), records_(std::move(records)), image_(std::move(image)) {}

 private:
  bool all_made() const override { return at_end_; }

  // At `position_`, where a record or a part of one begins.
  Status make_piece() override {
    if (memory_) return add_pages();
    while (record_ < records_.size() && position_ >= records_[record_].end()) ++record_;
    bool in_record = record_ < records_.size() && position_ >= records_[record_].offset;
    if (in_record && is_memory(records_[record_])) return begin_memory(records_[record_]);
    uint64_t end = record_ < records_.size() ? records_[record_].offset : length_;
    if (in_record) end = records_[record_].end();
    at_end_ = position_ == length_;
    return copy_until(end);
  }

  Status copy_until(uint64_t end) {
    piece_.resize(static_cast<size_t>(std::min(end - position_, kPieceBytes)));
    uint64_t from = position_;
    position_ += piece_.size();
    return plain_.read_at(from, piece_);
  }

  // A section without its pages; before the first, the one that has all of them.
  Status begin_memory(const IndexedRecord& record) {
    position_ = record.end();
    if (!memory_sent_) {
      memory_ = &record;
      memory_sent_ = true;
      return append_section_head(piece_, record, SectionType::Part);
    }
    if (record.type != SectionType::End) return ok();
    if (auto added = append_section_head(piece_, record, SectionType::End); !added) return added;
    append_slice_end(piece_, record);
    return ok();
  }

  Status add_pages() {
    if (!pages_.all_made()) return pages_.append(piece_);
    return end_memory();
  }

  Status end_memory() {
    const IndexedRecord& record = *std::exchange(memory_, nullptr);
    append_slice_end(piece_, record);
    if (record.type == SectionType::Part) return ok();
    if (auto added = append_section_head(piece_, record, SectionType::End); !added) return added;
    append_slice_end(piece_, record);
    return ok();
  }

  RandomSource& plain_;
  uint64_t length_;
  std::vector<IndexedRecord> records_;
  RamImage image_;
  PageRecords pages_{image_, {}};
  uint64_t position_ = 0;  // in the plain stream
  size_t record_ = 0;      // the one there, or the next
  bool at_end_ = false;
  bool memory_sent_ = false;
  const IndexedRecord* memory_ = nullptr;  // being given, in place of this
};

}  // namespace

Result<std::unique_ptr<ByteSource>> make_compact_source(RandomSource& plain, StateIndex index) {
  if (auto possible = check(index); !possible) return possible.error();
  std::vector<IndexedRecord> records = *index.records;
  for (const IndexedRecord& record : records) {
    if (record.type == SectionType::Start && record.page_records > 0) {
      return Error{Errc::Unsupported, "this stream has pages in front of its first PART"};
    }
  }
  uint64_t length = index.facts.stream_bytes;
  auto image = RamImage::make(plain, std::move(index));
  if (!image) return image.error();
  return std::unique_ptr<ByteSource>(
      std::make_unique<CompactSource>(plain, length, std::move(records), std::move(*image)));
}

}  // namespace vmstream
