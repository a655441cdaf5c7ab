// SPDX-License-Identifier: MIT
#include <vmstream/ram_image.h>

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <bit>
#include <utility>

#include <vmstream/text.h>
#include "base/endian.h"
#include "format/ram/packed_page.h"
#include "format/ram/ram_records.h"
#include "format/wire.h"
#include "pipeline/buffer.h"

namespace vmstream {
namespace {

constexpr uint64_t kStretchBytes = 1u << 20;  // read at a time
constexpr size_t kMostDeltas = 1u << 16;      // behind one page
constexpr uint32_t kFlatVersion = 3;
constexpr uint64_t kBitsPerWord = 64;

uint64_t flag_of(PageKind kind) {
  switch (kind) {
    case PageKind::Zero:
    case PageKind::Fill:
      return wire::kRamZero;
    case PageKind::Data:
      return wire::kRamPage;
    case PageKind::Xbzrle:
      return wire::kRamXbzrle;
    case PageKind::Compressed:
      return wire::kRamCompressPage;
  }
  return 0;
}

uint64_t pages_of(const RamBlock& block, uint64_t page_size) {
  return block.used_length / page_size + (block.used_length % page_size != 0 ? 1 : 0);
}

// The pages of a run from `page` on, up to `end` or as many as are read at a time.
PageRun part_of(const PageRun& run, uint64_t page, uint64_t end) {
  uint64_t most = std::max<uint64_t>(1, kStretchBytes / std::max(run.stride, 1u));
  return {page, static_cast<uint32_t>(std::min({run.end() - page, end - page, most})), run.stride,
          run.place_of(page)};
}

void fill(std::span<std::byte> into, uint8_t byte) {
  std::ranges::fill(into, std::byte{byte});
}

}  // namespace

struct RamImage::State {
  RandomSource* plain;
  std::shared_ptr<const StateIndex> index;
  std::vector<uint64_t> entry_ends;  // of the blocks whose entry has been seen; else 0
  Buffer stretch{};                  // of the stream, with the records at work

  const PageMap& map() const { return *index->pages; }
  const RamBlock& block(size_t number) const { return index->facts.blocks[number].block; }
  size_t page_size() const { return map().page_size(); }
  bool is_flat() const { return index->facts.ram_version == kFlatVersion; }

  Status check() const;
  Status check_entry(size_t number);
  Error not_there(size_t number, uint64_t page, PagePlace place) const;
  bool is_head(size_t number, uint64_t page, PageKind kind,
               std::span<const std::byte> before) const;
  uint64_t head_bytes(size_t number, uint64_t offset) const;

  Result<std::span<const std::byte>> read_stretch(uint64_t offset, uint64_t length);
  Status read_run(size_t number, const PageRun& run, std::span<std::byte> into);
  Status read_mapped(size_t number, const PageRun& run, std::span<std::byte> into);
  Status check_bitmap(size_t number, const PageRun& run);
  Status read_records(size_t number, const PageRun& run, std::span<std::byte> into);
  Status read_changed(size_t number, uint64_t page, PagePlace place, std::span<std::byte> into);
  Result<std::span<const std::byte>> read_fields(size_t number, uint64_t page, PagePlace place,
                                                 uint64_t length);
  Status read_whole(size_t number, uint64_t page, PagePlace place, std::span<std::byte> into);
  Status apply_delta(size_t number, uint64_t page, PagePlace place, std::span<std::byte> into);
};

Status RamImage::State::check() const {
  if (plain->length() != index->facts.plain_bytes) {
    return Error{Errc::Malformed,
                 fmt::format("index: made for a stream of {} bytes, this one has {}",
                             index->facts.plain_bytes, plain->length())};
  }
  if (map().block_count() != index->facts.blocks.size()) {
    return Error{Errc::Malformed, fmt::format("index: pages of {} RAM blocks, {} are listed",
                                              map().block_count(), index->facts.blocks.size())};
  }
  for (size_t number = 0; number < map().block_count(); ++number) {
    const PageRuns& runs = map().runs(number);
    if (runs.empty() || runs.back().end() <= pages_of(block(number), page_size())) continue;
    return Error{Errc::Malformed, fmt::format("index: pages behind the end of RAM block '{}'",
                                              escape(block(number).name))};
  }
  return ok();
}

// The block list is what blocks are known by: each entry must stand where the index has it.
Status RamImage::State::check_entry(size_t number) {
  if (entry_ends[number] != 0) return ok();
  const RamBlock& entry = block(number);
  Bytes wanted;
  if (is_flat()) {
    append_be(wanted, entry.used_length | wire::kRamMemSize);
  } else if (auto written = append_block_entry(wanted, entry); !written) {
    return written;
  }
  Bytes found(wanted.size());
  if (auto read = plain->read_at(entry.offset, found); !read) return read;
  if (found != wanted) {
    return Error{Errc::Malformed,
                 fmt::format("index: RAM block '{}' is not listed here", escape(entry.name)),
                 entry.offset};
  }
  entry_ends[number] = entry.offset + wanted.size();
  return ok();
}

Error RamImage::State::not_there(size_t number, uint64_t page, PagePlace place) const {
  return Error{Errc::Malformed,
               fmt::format("index: no {} record of page {:#x} of block '{}' is here",
                           name_of(place.kind()), page * page_size(), escape(block(number).name)),
               place.offset()};
}

// Whether what stands before a record's own fields is its word, for that page, with or without the
// block's name.
bool RamImage::State::is_head(size_t number, uint64_t page, PageKind kind,
                              std::span<const std::byte> before) const {
  uint64_t word = page * page_size() | flag_of(kind);
  auto word_is = [before](size_t back, uint64_t wanted) {
    return before.size() >= back && load_be<uint64_t>(&before[before.size() - back]) == wanted;
  };
  if (is_flat()) return word_is(wire::kRamWordBytes, word);
  if (word_is(wire::kRamWordBytes, word | wire::kRamContinue)) return true;
  std::string_view name = block(number).name;
  if (!word_is(wire::kRamWordBytes + 1 + name.size(), word)) return false;
  auto counted = before.last(1 + name.size());
  return std::to_integer<size_t>(counted[0]) == name.size() &&
         std::ranges::equal(counted.subspan(1), std::as_bytes(std::span(name)));
}

// What has to be read in front of a record's fields.
uint64_t RamImage::State::head_bytes(size_t number, uint64_t offset) const {
  return std::min<uint64_t>(offset, wire::kRamWordBytes + 1 + block(number).name.size());
}

Status RamImage::State::read_run(size_t number, const PageRun& run, std::span<std::byte> into) {
  if (block(number).mapped) return read_mapped(number, run, into);
  if (run.place.kind() != PageKind::Xbzrle && run.place.kind() != PageKind::Compressed) {
    return read_records(number, run, into);
  }
  for (uint64_t page = run.page; page < run.end(); ++page) {
    auto target = into.subspan(static_cast<size_t>(page - run.page) * page_size(), page_size());
    if (auto read = read_changed(number, page, run.place_of(page), target); !read) return read;
  }
  return ok();
}

// Pages without records: each has its place, and a bit that says whether it is filled. Offsets in
// the stream count from the front of the sender's file, where something else may stand.
Status RamImage::State::read_mapped(size_t number, const PageRun& run, std::span<std::byte> into) {
  const MappedRam& mapped = *block(number).mapped;
  uint64_t place =
      entry_ends[number] + (mapped.pages_offset - mapped.bitmap_offset) + run.page * page_size();
  if (mapped.page_size != page_size() || run.place.offset() != place ||
      (run.count > 1 && run.stride != page_size())) {
    return not_there(number, run.page, run.place);
  }
  if (auto checked = check_bitmap(number, run); !checked) return checked;
  fill(into, 0);
  if (run.place.kind() == PageKind::Zero) return ok();
  if (run.place.kind() != PageKind::Data) return not_there(number, run.page, run.place);
  uint64_t left = block(number).used_length - run.page * page_size();
  return plain->read_at(place,
                        into.first(static_cast<size_t>(std::min<uint64_t>(into.size(), left))));
}

// The bitmap is an array of the sender's words, whose byte order nothing tells: a page is what the
// index says if it is so in either order.
Status RamImage::State::check_bitmap(size_t number, const PageRun& run) {
  uint64_t first_word = run.page / kBitsPerWord;
  uint64_t words = (run.end() - 1) / kBitsPerWord - first_word + 1;
  auto bitmap = read_stretch(entry_ends[number] + first_word * 8, words * 8);
  if (!bitmap) return bitmap.error();
  bool wanted = run.place.kind() == PageKind::Data;
  for (uint64_t page = run.page; page < run.end(); ++page) {
    auto byte = static_cast<size_t>(page / 8 - first_word * 8);
    auto is_stored = [&](size_t i) {
      return (std::to_integer<unsigned>((*bitmap)[i]) >> page % 8 & 1) != 0;
    };
    if (is_stored(byte) != wanted && is_stored(byte ^ 7) != wanted) {
      return not_there(number, page, run.place_of(page));
    }
  }
  return ok();
}

// Lives until the next call.
Result<std::span<const std::byte>> RamImage::State::read_stretch(uint64_t offset, uint64_t length) {
  auto count = static_cast<size_t>(length);
  stretch.clear();
  stretch.reserve(count);
  auto bytes = stretch.room().first(count);
  if (auto read = plain->read_at(offset, bytes); !read) return read.error();
  return std::span<const std::byte>(bytes);
}

// Records of one length, one behind the other.
Status RamImage::State::read_records(size_t number, const PageRun& run, std::span<std::byte> into) {
  bool is_data = run.place.kind() == PageKind::Data;
  size_t length = is_data ? page_size() : 1;
  uint64_t front = head_bytes(number, run.place.offset());
  uint64_t last = uint64_t{run.count - 1} * run.stride;
  auto records = read_stretch(run.place.offset() - front, front + last + length);
  if (!records) return records.error();
  for (uint32_t i = 0; i < run.count; ++i) {
    size_t at = static_cast<size_t>(front) + size_t{i} * run.stride;
    auto before = records->first(at);
    auto fields = records->subspan(at, length);
    bool fits = is_head(number, run.page + i, run.place.kind(), before) &&
                (is_data || fields[0] == std::byte{run.place.fill()});
    if (!fits) return not_there(number, run.page + i, run.place_of(run.page + i));
    auto target = into.subspan(i * page_size(), page_size());
    if (is_data) std::ranges::copy(fields, target.begin());
    if (!is_data) fill(target, run.place.fill());
  }
  return ok();
}

// `length` bytes of the record's fields, behind a head that has been checked.
Result<std::span<const std::byte>> RamImage::State::read_fields(size_t number, uint64_t page,
                                                                PagePlace place, uint64_t length) {
  uint64_t front = head_bytes(number, place.offset());
  auto record = read_stretch(place.offset() - front, front + length);
  if (!record) return record.error();
  auto before = record->first(static_cast<size_t>(front));
  if (!is_head(number, page, place.kind(), before)) return not_there(number, page, place);
  return record->subspan(static_cast<size_t>(front));
}

// A page that is a delta, or deltas on a delta, down to a record that holds it whole.
Status RamImage::State::read_changed(size_t number, uint64_t page, PagePlace place,
                                     std::span<std::byte> into) {
  std::vector<PagePlace> deltas;
  while (place.kind() == PageKind::Xbzrle) {
    auto before = map().find_before(place.offset());
    if (!before || deltas.size() == kMostDeltas) return not_there(number, page, place);
    deltas.push_back(place);
    place = *before;
  }
  if (auto read = read_whole(number, page, place, into); !read) return read;
  for (; !deltas.empty(); deltas.pop_back()) {
    if (auto done = apply_delta(number, page, deltas.back(), into); !done) return done;
  }
  return ok();
}

Status RamImage::State::read_whole(size_t number, uint64_t page, PagePlace place,
                                   std::span<std::byte> into) {
  if (!place.is_sent()) {
    fill(into, 0);
    return ok();
  }
  if (place.kind() != PageKind::Compressed) return read_records(number, {page, 1, 0, place}, into);
  auto length = read_fields(number, page, place, sizeof(uint32_t));
  if (!length) return length.error();
  auto packed_bytes = load_be<uint32_t>(length->data());
  if (packed_bytes > 2 * page_size() + wire::kMaxShortPayloadBytes) {
    return not_there(number, page, place);
  }
  auto fields = read_fields(number, page, place, sizeof(uint32_t) + packed_bytes);
  if (!fields) return fields.error();
  if (inflate_page(fields->subspan(sizeof(uint32_t)), into)) return ok();
  return Error{Errc::Malformed,
               fmt::format("the compressed page does not inflate to {} bytes", page_size()),
               place.offset()};
}

Status RamImage::State::apply_delta(size_t number, uint64_t page, PagePlace place,
                                    std::span<std::byte> into) {
  constexpr uint64_t kFieldBytes = 3;  // encoding, length
  auto head = read_fields(number, page, place, kFieldBytes);
  if (!head) return head.error();
  if ((*head)[0] != std::byte{wire::kXbzrleEncoding}) return not_there(number, page, place);
  uint64_t length = load_be<uint16_t>(head->data() + 1);
  auto fields = read_fields(number, page, place, kFieldBytes + length);
  if (!fields) return fields.error();
  if (apply_xbzrle(fields->subspan(kFieldBytes), into)) return ok();
  return Error{Errc::Malformed, "the page's delta cannot be applied", place.offset()};
}

RamImage::RamImage(std::unique_ptr<State> state) : state_(std::move(state)) {}
RamImage::RamImage(RamImage&&) noexcept = default;
RamImage::~RamImage() = default;

Result<RamImage> RamImage::make(RandomSource& plain, StateIndex index) {
  return make(plain, std::make_shared<const StateIndex>(std::move(index)));
}

Result<RamImage> RamImage::make(RandomSource& plain, std::shared_ptr<const StateIndex> index) {
  if (!index->pages) return Error{Errc::Usage, "the index has no page map"};
  size_t blocks = index->facts.blocks.size();
  auto state =
      std::make_unique<State>(State{&plain, std::move(index), std::vector<uint64_t>(blocks)});
  if (auto checked = state->check(); !checked) return checked.error();
  return RamImage(std::move(state));
}

uint32_t RamImage::page_size() const {
  return state_->map().page_size();
}

const std::vector<IndexedBlock>& RamImage::blocks() const {
  return state_->index->facts.blocks;
}

const PageMap& RamImage::map() const {
  return state_->map();
}

std::optional<size_t> RamImage::find_block(std::string_view name) const {
  for (size_t number = 0; number < blocks().size(); ++number) {
    const std::string& own = blocks()[number].block.name;
    if (own == name || escape(own) == name) return number;
  }
  return std::nullopt;
}

std::optional<PageKind> RamImage::kind_of(size_t block, uint64_t page) const {
  auto place = map().find(block, page);
  return place ? std::optional(place->kind()) : std::nullopt;
}

uint64_t RamImage::count_absent(size_t block) const {
  return page_count(block) - map().count_pages(block);
}

uint64_t RamImage::page_count(size_t block) const {
  return page_size() == 0 ? 0 : pages_of(blocks()[block].block, page_size());
}

Result<uint64_t> RamImage::read(size_t block, uint64_t page, std::span<std::byte> into) {
  uint64_t wanted = page_size() == 0 ? 0 : into.size() / page_size();
  uint64_t there = block < blocks().size() ? page_count(block) : 0;
  if (page > there || wanted > there - page || wanted * page_size() != into.size()) {
    return Error{Errc::Usage,
                 fmt::format("{} bytes from page {} on are wanted of a block of {} pages",
                             into.size(), page, there)};
  }
  if (auto known = state_->check_entry(block); !known) return known.error();
  uint64_t absent = 0;
  auto run = map().find_from(block, page);
  auto behind = map().runs(block).end();
  for (uint64_t end = page + wanted; page < end;) {
    uint64_t next = run == behind ? end : std::clamp(run->page, page, end);
    if (next > page) {
      fill(into.first(static_cast<size_t>(next - page) * page_size()), 0);
      absent += next - page;
    } else {
      PageRun part = part_of(*run, page, end);
      next = part.end();
      auto target = into.first(static_cast<size_t>(next - page) * page_size());
      if (auto read = state_->read_run(block, part, target); !read) return read.error();
      if (next == run->end()) ++run;
    }
    into = into.subspan(static_cast<size_t>(next - page) * page_size());
    page = next;
  }
  return absent;
}

}  // namespace vmstream
