// SPDX-License-Identifier: MIT
#include "state/pageless_stream.h"

#include <algorithm>
#include <utility>

#include <vmstream/ram_image.h>
#include "format/wire.h"
#include "io/piecewise_source.h"
#include "state/page_records.h"
#include "state/rewriting.h"

namespace vmstream {
namespace {

constexpr uint64_t kPieceBytes = 1u << 20;
constexpr uint32_t kNamedBlocks = 4;        // the ram version that has a block list
constexpr uint64_t kEmptyCommandBytes = 5;  // type, command, length

bool is_ram(const IndexedRecord& record) {
  return record.idstr == "ram";
}

bool is_section(const IndexedRecord& record) {
  return record.type == SectionType::Start || record.type == SectionType::Part ||
         record.type == SectionType::End || record.type == SectionType::Full;
}

// The others speak of a return path or of postcopy, or are the heads of packages.
bool is_kept_command(const IndexedRecord& record) {
  if (record.command == CommandType::SwitchoverStart) return true;
  return record.command == CommandType::PostcopyAdvise && record.length == kEmptyCommandBytes;
}

Status check(const StateIndex& index) {
  if (!index.records || !index.pages) {
    return Error{Errc::Unsupported,
                 index.facts.left_out.empty()
                     ? "the stream's index is not complete"
                     : "the stream's index leaves out " + index.facts.left_out.front()};
  }
  if (!index.facts.complete) return Error{Errc::Truncated, "the stream is not complete"};
  if (index.facts.blocks.empty() || index.facts.ram_version != kNamedBlocks) {
    return Error{Errc::Unsupported, "the stream has no list of RAM blocks"};
  }
  return ok();
}

// In the order of a plain load: what a package holds stands in front of the stream's end, where the
// memory has ended.
std::vector<IndexedRecord> in_load_order(const std::vector<IndexedRecord>& records) {
  std::vector<IndexedRecord> ordered;
  std::vector<IndexedRecord> packaged;
  for (const IndexedRecord& record : records) {
    if (record.type == SectionType::Eof) {
      ordered.insert(ordered.end(), packaged.begin(), packaged.end());
      packaged.clear();
    }
    (record.packaged ? packaged : ordered).push_back(record);
  }
  ordered.insert(ordered.end(), packaged.begin(), packaged.end());
  return ordered;
}

class PagelessSource final : public PiecewiseSource {
 public:
  PagelessSource(RandomSource& plain, std::shared_ptr<const StateIndex> index, RamImage image,
                 const PagelessOptions& options)
      : plain_(plain),
        index_(std::move(index)),
        image_(std::move(image)),
        pages_(image_, options.left_out),
        is_cut_(options.is_cut),
        records_(in_load_order(*index_->records)) {}

 private:
  bool all_made() const override { return next_ == records_.size() && copied_ == copy_end_; }

  Status make_piece() override {
    if (copied_ < copy_end_) return copy();
    if (!is_begun_) return begin();
    if (in_memory_) return add_memory();
    return add(records_[next_++]);
  }

  Status begin() {
    is_begun_ = true;
    piece_.resize(wire::kHeaderBytes);
    return plain_.read_at(0, piece_);
  }

  Status add(const IndexedRecord& record) {
    if (record.type == SectionType::Configuration) {
      return append_unmapped_configuration(piece_, plain_, record);
    }
    if (is_ram(record) && is_section(record)) return add_ram(record);
    if (is_section(record)) return add_section(record);
    if (record.type == SectionType::Command) {
      if (is_kept_command(record)) copy_record(record);
      return ok();
    }
    if (record.type == SectionType::Eof && is_cut_) {
      piece_.push_back(kNoSection);
      next_ = records_.size();
      return ok();
    }
    copy_record(record);
    return ok();
  }

  // One of several records of equal form is as good as another, but each is to be one.
  Status add_section(const IndexedRecord& record) {
    for (uint64_t i = 0; i < record.count; ++i) {
      auto checked = check_section_head(plain_, record, record.offset + i * record.length);
      if (!checked) return checked;
    }
    copy_record(record);
    return ok();
  }

  // All pages stand in a section of their own behind the list. Of the others only the last is left,
  // which ends the memory for QEMU.
  Status add_ram(const IndexedRecord& record) {
    if (auto checked = check_section_head(plain_, record, record.offset); !checked) return checked;
    if (record.type == SectionType::Start) return add_list(record);
    if (record.type != SectionType::End) return ok();
    if (auto done = append_section_head(piece_, record, SectionType::End); !done) return done;
    append_slice_end(piece_, record);
    return ok();
  }

  Status add_list(const IndexedRecord& record) {
    std::vector<RamBlock> blocks;
    for (const IndexedBlock& entry : index_->facts.blocks) {
      blocks.push_back(entry.block);
      blocks.back().mapped.reset();
      blocks.back().page_size.reset();
    }
    auto done = append_ram_start(piece_, record, index_->facts.ram_bytes, blocks);
    if (!done || pages_.all_made()) return done;
    ram_ = record;
    in_memory_ = true;
    return append_section_head(piece_, record, SectionType::Part);
  }

  Status add_memory() {
    if (!pages_.all_made()) return pages_.append(piece_);
    in_memory_ = false;
    append_slice_end(piece_, ram_);
    return ok();
  }

  void copy_record(const IndexedRecord& record) {
    copied_ = record.offset;
    copy_end_ = record.end();
  }

  Status copy() {
    piece_.resize(static_cast<size_t>(std::min(copy_end_ - copied_, kPieceBytes)));
    return plain_.read_at(std::exchange(copied_, copied_ + piece_.size()), piece_);
  }

  RandomSource& plain_;
  std::shared_ptr<const StateIndex> index_;
  RamImage image_;
  PageRecords pages_;
  bool is_cut_;
  std::vector<IndexedRecord> records_;
  size_t next_ = 0;  // of records_
  bool is_begun_ = false;
  bool in_memory_ = false;
  IndexedRecord ram_;      // the START of ram, where pages are being given
  uint64_t copied_ = 0;    // what is being copied of `plain_`: from here
  uint64_t copy_end_ = 0;  // to here
};

}  // namespace

Result<std::unique_ptr<ByteSource>> make_pageless_source(RandomSource& plain,
                                                         std::shared_ptr<const StateIndex> index,
                                                         const PagelessOptions& options) {
  if (auto possible = check(*index); !possible) return possible.error();
  auto image = RamImage::make(plain, index);
  if (!image) return image.error();
  return std::unique_ptr<ByteSource>(
      std::make_unique<PagelessSource>(plain, std::move(index), std::move(*image), options));
}

}  // namespace vmstream
