// SPDX-License-Identifier: MIT
#include "state/unmapped.h"

#include <algorithm>
#include <utility>

#include <vmstream/indexing.h>
#include <vmstream/parser.h>
#include "format/ram/ram_records.h"
#include "format/records/records.h"
#include "io/piecewise_source.h"
#include "state/rewriting.h"
#include "state/wanted_feed.h"

namespace vmstream {
namespace {

constexpr uint64_t kPieceBytes = 1u << 20;
constexpr uint64_t kZeroRecordsAtOnce = kPieceBytes / 16;

// Stops at the first record behind the header.
class HeadVisitor final : public StreamVisitor {
 public:
  Status on_configuration(const Configuration& configuration) override {
    is_mapped = lists_mapped_ram(configuration);
    return stop();
  }
  Status on_section(const SectionHeader&) override { return stop(); }

  bool is_mapped = false;

 private:
  static Status stop() { return Error{Errc::Interrupted, "the head has ended"}; }
};

// The records of the stream and its list of RAM blocks.
Result<StateIndex> survey(RandomSource& plain) {
  IndexBuilder builder;
  StreamParser parser(builder, {}, {.mapped_pages = MappedPages::None});
  if (auto whole = WantedFeed(plain, parser).run(); !whole) return whole.error();
  return builder.finish(parser.offset(), parser.stream_length(), true);
}

// Gives what stands in front of the pages, the pages as the parser shows them, and what stands
// behind.
class UnmappedSource final : public PiecewiseSource, private StreamVisitor {
 public:
  UnmappedSource(RandomSource& plain, IndexedRecord ram, uint64_t length, Bytes front)
      : plain_(plain), ram_(std::move(ram)), length_(length) {
    piece_ = std::move(front);
  }

 private:
  bool all_made() const override { return position() >= length_; }

  // In `plain`, up to where all has been made.
  uint64_t position() const { return in_memory_ ? parser_.offset() : behind_; }

  Status make_piece() override {
    if (zeros_left_ > 0) return add_zeros();
    if (!in_memory_) return copy_behind();
    if (parser_.offset() < ram_.end()) return feed_.step(ram_.end());
    in_memory_ = false;
    behind_ = ram_.end();
    append_slice_end(piece_, ram_);
    return ok();
  }

  Status copy_behind() {
    piece_.resize(static_cast<size_t>(std::min(length_ - behind_, kPieceBytes)));
    uint64_t from = std::exchange(behind_, behind_ + piece_.size());
    return plain_.read_at(from, piece_);
  }

  // Pages that are passed over come without their content, any number of them at once.
  Status on_page(const Page& page) override {
    if (page.block_offset == 0) block_ = *page.block;
    if (page.payload.empty()) {
      if (zeros_left_++ == 0) zeros_from_ = page.block_offset;
      page_bytes_ = page.size;
      return ok();
    }
    return add(page.block_offset, page.kind, page.payload);
  }

  Status add_zeros() {
    for (uint64_t i = 0; i < kZeroRecordsAtOnce && zeros_left_ > 0; ++i, --zeros_left_) {
      if (auto added = add(zeros_from_, PageKind::Zero, {}); !added) return added;
      zeros_from_ += page_bytes_;
    }
    return ok();
  }

  Status add(uint64_t offset, PageKind kind, std::span<const std::byte> payload) {
    bool is_data = kind == PageKind::Data;
    return append_page(piece_, {.block = &block_,
                                .block_offset = offset,
                                .kind = kind,
                                .continued = offset != 0,
                                .payload = is_data ? payload : std::span<const std::byte>()});
  }

  RandomSource& plain_;
  IndexedRecord ram_;  // the START that holds the pages
  uint64_t length_;
  StreamParser parser_{*this};
  WantedFeed feed_{plain_, parser_};
  bool in_memory_ = true;
  uint64_t behind_ = 0;
  RamBlock block_;
  uint64_t zeros_from_ = 0;  // in block_
  uint64_t zeros_left_ = 0;
  uint64_t page_bytes_ = 0;
};

// Writes all that stands in front of the pages.
class FrontWriter {
 public:
  FrontWriter(RandomSource& plain, const StateIndex& index) : plain_(plain), index_(index) {}

  Result<Bytes> write(const IndexedRecord& configuration, const IndexedRecord& ram) {
    auto done = copy(0, configuration.offset);
    if (done) done = write_configuration(configuration);
    if (done) done = copy(configuration.end(), ram.offset);
    if (done) done = write_ram_start(ram);
    if (!done) return done.error();
    return std::move(front_);
  }

 private:
  Status copy(uint64_t from, uint64_t to) {
    size_t old = front_.size();
    front_.resize(old + static_cast<size_t>(to - from));
    return plain_.read_at(from, std::span(front_).subspan(old));
  }

  Status write_configuration(const IndexedRecord& record) {
    return append_unmapped_configuration(front_, plain_, record);
  }

  Status write_ram_start(const IndexedRecord& ram) {
    std::vector<RamBlock> blocks;
    for (const IndexedBlock& entry : index_.facts.blocks) {
      blocks.push_back(entry.block);
      blocks.back().mapped.reset();
    }
    auto done = append_ram_start(front_, ram, index_.facts.ram_bytes, blocks);
    return done ? append_section_head(front_, ram, SectionType::Part) : done;
  }

  RandomSource& plain_;
  const StateIndex& index_;
  Bytes front_;
};

Error too_many_records() {
  return Error{Errc::Unsupported, "the stream has too many records to be written anew"};
}

}  // namespace

bool lists_mapped_ram(const Configuration& configuration) {
  const auto& names = configuration.capabilities;
  return names && std::ranges::find(*names, kMappedRam) != names->end();
}

bool is_mapped_ram(RandomSource& plain) {
  HeadVisitor visitor;
  StreamParser parser(visitor);
  // Ends by an error, be it the visitor's.
  [[maybe_unused]] auto looked = WantedFeed(plain, parser).run();
  return visitor.is_mapped;
}

Result<std::unique_ptr<ByteSource>> make_unmapped_source(RandomSource& plain) {
  auto index = survey(plain);
  if (!index) return index.error();
  if (!index->records) return too_many_records();
  auto configuration =
      std::ranges::find(*index->records, SectionType::Configuration, &IndexedRecord::type);
  auto ram = std::ranges::find_if(*index->records, [](const IndexedRecord& record) {
    return record.type == SectionType::Start && record.idstr == "ram";
  });
  if (configuration == index->records->end() || ram == index->records->end()) {
    return Error{Errc::Malformed, "a mapped-ram stream without a list of RAM blocks"};
  }
  auto front = FrontWriter(plain, *index).write(*configuration, *ram);
  if (!front) return front.error();
  return std::unique_ptr<ByteSource>(
      std::make_unique<UnmappedSource>(plain, *ram, index->facts.stream_bytes, std::move(*front)));
}

}  // namespace vmstream
