// SPDX-License-Identifier: MIT
#include <vmstream/state_writer.h>

#include <algorithm>

#include <vmstream/ram_image.h>
#include "io/piecewise_source.h"
#include "state/memory_stretches.h"
#include "state/page_records.h"
#include "state/rewriting.h"

namespace vmstream {
namespace {

constexpr uint64_t kPieceBytes = 1u << 20;
constexpr uint32_t kNamedBlocks = 4;  // the ram version that has a block list

Status check(const StateIndex& index) {
  const StateFacts& facts = index.facts;
  if (!facts.complete) {
    return Error{Errc::Malformed, "a stream that is not whole cannot be put into another order"};
  }
  bool mapped = std::ranges::any_of(
      facts.blocks, [](const IndexedBlock& block) { return block.block.mapped.has_value(); });
  if (facts.postcopy || mapped || facts.ram_version != kNamedBlocks) {
    return Error{Errc::Unsupported, "pages of this kind of stream have an order of their own"};
  }
  if (!index.pages) {
    return Error{Errc::Unsupported,
                 "the places of its pages could not be kept" +
                     (facts.left_out.empty() ? std::string() : ": " + facts.left_out.back())};
  }
  return ok();
}

// Gives the stream piece by piece: what is no memory from `plain`, all of the memory in place of
// the first stretch that has some, nothing for the others.
class CompactSource final : public PiecewiseSource {
 public:
  CompactSource(RandomSource& plain, uint64_t length, MemoryStretches stretches, RamImage image)
      : plain_(plain),
        length_(length),
        stretches_(std::move(stretches)),
        image_(std::move(image)) {}

 private:
  bool all_made() const override { return at_end_; }

  // At `position_`, outside of the memory or where a stretch of it begins.
  Status make_piece() override {
    if (in_memory_) return add_pages();
    bool any_left = next_ < stretches_.all().size();
    if (any_left && position_ == stretch().offset) return begin_memory();
    at_end_ = position_ == length_;
    return copy_until(any_left ? stretch().offset : length_);
  }

  const MemoryStretch& stretch() const { return stretches_.all()[next_]; }

  Status copy_until(uint64_t end) {
    piece_.resize(static_cast<size_t>(std::min(end - position_, kPieceBytes)));
    uint64_t from = position_;
    position_ += piece_.size();
    return plain_.read_at(from, piece_);
  }

  // A stretch without its pages; the first one has all of them.
  Status begin_memory() {
    position_ = stretch().end;
    if (next_ > 0) return end_memory();
    in_memory_ = true;
    return append_section_head(piece_, stretches_.section(), SectionType::Part);
  }

  Status add_pages() { return pages_.all_made() ? end_section() : pages_.append(piece_); }

  Status end_section() {
    in_memory_ = false;
    append_slice_end(piece_, stretches_.section());
    return end_memory();
  }

  // Behind a stretch: of its sections there is the END, if it has that.
  Status end_memory() {
    if (!stretches_.all()[next_++].has_end) return ok();
    const IndexedRecord& section = stretches_.section();
    if (auto added = append_section_head(piece_, section, SectionType::End); !added) return added;
    append_slice_end(piece_, section);
    return ok();
  }

  RandomSource& plain_;
  uint64_t length_;
  MemoryStretches stretches_;
  RamImage image_;
  PageRecords pages_{image_, {}};
  uint64_t position_ = 0;  // in the plain stream
  size_t next_ = 0;        // stretch
  bool at_end_ = false;
  bool in_memory_ = false;  // its pages are being given
};

}  // namespace

Result<std::unique_ptr<ByteSource>> make_compact_source(RandomSource& plain, StateIndex index) {
  if (auto possible = check(index); !possible) return possible.error();
  auto stretches = MemoryStretches::find(plain, index);
  if (!stretches) return stretches.error();
  if (stretches->has_pages_in_start()) {
    return Error{Errc::Unsupported, "this stream has pages in front of its first PART"};
  }
  uint64_t length = index.facts.stream_bytes;
  auto image = RamImage::make(plain, std::move(index));
  if (!image) return image.error();
  return std::unique_ptr<ByteSource>(
      std::make_unique<CompactSource>(plain, length, std::move(*stretches), std::move(*image)));
}

}  // namespace vmstream
