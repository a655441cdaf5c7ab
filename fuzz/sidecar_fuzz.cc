// SPDX-License-Identifier: MIT
// Any bytes as the index beside a state file that is whole. It is made to look like that file's
// own, so that what it says is used. Beyond not crashing: no page of memory is ever given out
// that is not the guest's, what is read from front to end is the stream whatever stands beside it,
// and an index or a place that a comparison with the stream finds nothing wrong with is right.
#include <vmstream/digest.h>
#include <vmstream/indexing.h>
#include <vmstream/partial_reading.h>
#include <vmstream/ram_image.h>
#include <vmstream/stream_scan.h>
#include "state/index_comparison.h"
#include "state/seekable_state.h"

#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <fstream>
#include <string>
#include <vector>

#include "fuzz_input.h"
#include "mended_index.h"
#include "support/stream_builder.h"
#include "support/temp_dir.h"

using namespace vmstream;
using fuzz::require;

namespace {

constexpr size_t kPage = 1024;
constexpr size_t kMostRecords = 1000;

using Page1k = std::array<std::byte, kPage>;

void write_file(const std::string& path, std::span<const std::byte> bytes) {
  ::umask(0077);  // a sidecar that others may write does not count
  std::ofstream(path, std::ios::binary | std::ios::trunc)
      .write(reinterpret_cast<const char*>(bytes.data()),
             static_cast<std::streamsize>(bytes.size()));
}

Bytes pack(Coding coding, const Bytes& plain) {
  Bytes packed;
  auto sink = make_memory_sink(packed);
  auto encoder = make_encoder(coding, *sink, {.threads = 1});
  require(encoder && (*encoder)->write(plain) && (*encoder)->finish());
  return packed;
}

/// A state file of each coding, without an index of its own.
struct Files {
  Files() {
    for (const CodingTraits& traits : codings()) {
      if (!traits.writable) continue;
      std::string path = folder / std::string(traits.name);
      Bytes bytes = pack(traits.coding, plain);
      auto file = make_random_memory(bytes);
      write_file(path, bytes);
      paths.push_back(path);
      marks.push_back(write_mark(*FileMark::of(*file)));
    }
  }

  static StateIndex scan(const Bytes& stream) {
    IndexBuilder builder;
    StreamParser parser(builder);
    require(parser.feed(stream) && parser.finish());
    return builder.finish(stream.size(), parser.stream_length(), true);
  }

  static StateFacts facts_of(const Bytes& stream) {
    Sha256 digest;
    digest.update(stream);
    StateFacts facts = scan(stream).facts;
    facts.sha256 = digest.finish();
    return facts;
  }

  testing::TempDir folder;
  Bytes plain = testing::small_stream().bytes();
  std::vector<std::string> paths;
  std::vector<Bytes> marks;
  StateIndex truth = scan(plain);
  StateFacts facts = facts_of(plain);
};

/// Pages of the small stream are full of one byte, another one in each.
bool is_of_guest(std::string_view block, uint64_t page, std::span<const std::byte> bytes) {
  uint8_t byte = 0;
  if (block == "pc.ram" && page == 0) byte = 0xaa;
  if (block == "pc.ram" && page == 0x2000 / kPage) byte = 0xcc;
  if (block == "pc.bios" && page == 0) byte = 0xbb;
  return std::ranges::all_of(bytes, [=](std::byte found) { return found == std::byte{byte}; });
}

// Of an index that is right every page is the guest's, and none is absent that was sent.
void read_compared(const Files& files, const SeekableState& state, const StateIndex& index) {
  if (!compare_index(index, files.truth).empty() || !index.pages) return;
  auto image = RamImage::make(*state.plain(), index);
  require(static_cast<bool>(image));
  for (size_t block = 0; block < image->blocks().size(); ++block) {
    for (uint64_t page = 0; page < image->page_count(block); ++page) {
      Page1k bytes;
      auto absent = image->read(block, page, bytes);
      require(absent && is_of_guest(image->blocks()[block].block.name, page, bytes));
      require((*absent == 0) == files.truth.pages->find(block, page).has_value());
    }
  }
}

Bytes read_whole(ByteSource& source) {
  Bytes whole;
  for (;;) {
    auto piece = source.next();
    require(static_cast<bool>(piece));
    if (piece->empty()) return whole;
    whole.insert(whole.end(), piece->begin(), piece->end());
  }
}

// From front to end, and by positions that are not found wrong. True if they are not.
bool read_stream(const Files& files, const std::string& path, const SeekableState& state) {
  auto file = StateFile::open(path, {.decode = {.threads = 1}});
  auto stream = file ? file->stream() : file.error();
  require(stream && read_whole(**stream) == files.plain);
  if (!state.plain() || !check_positions(state, files.facts).empty()) return false;
  auto whole = make_stretch_source(*state.plain(), 0, state.plain()->length());
  require(read_whole(*whole) == files.plain);
  return true;
}

void read_memory(RandomSource& plain, StateIndex index) {
  auto image = RamImage::make(plain, std::move(index));
  if (!image || image->page_size() != kPage) return;
  constexpr uint64_t kMostPages = 64;
  for (size_t block = 0; block < image->blocks().size(); ++block) {
    const std::string& name = image->blocks()[block].block.name;
    for (uint64_t page = 0; page < std::min(image->page_count(block), kMostPages); ++page) {
      Page1k bytes;
      auto absent = image->read(block, page, bytes);
      if (absent && *absent == 0) require(is_of_guest(name, page, bytes));
    }
  }
}

void ask(const SeekableState& state, const Bytes& stream) {
  auto index = state.index->read();
  if (!index) return;
  if (confirm_records(*index, state.plain())) {
    size_t listed = 0;
    (void)list_records(*index, [&](const StreamRecord& record) -> Status {
      require(record.offset <= index->facts.stream_bytes);
      if (++listed < kMostRecords) return ok();
      return Error{Errc::Refused, "enough"};
    });
  }
  (void)usage_from(*index);
  SummaryCollector collector;
  fuzz::PieceSource source(stream, stream.size());
  auto summary = collector.finish(scan_stream(source, collector, {.limits = fuzz::kLimits}));
  (void)fill_in(summary, *index);
  if (state.plain()) read_memory(*state.plain(), std::move(*index));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const Files files;
  fuzz::Input input(data, size);
  size_t number = input.piece % files.paths.size();
  Bytes index(input.bytes.begin(), input.bytes.end());
  fuzz::mend_index(index, files.marks[number]);
  std::string sidecar = sidecar_path(files.paths[number]);
  write_file(sidecar, index);
  auto state =
      open_seekable_state(std::move(*open_random_file(files.paths[number])), {.sidecar = sidecar});
  bool is_right = state && read_stream(files, files.paths[number], *state);
  if (!state || !state->index) return 0;
  auto claimed = state->index->read();
  if (claimed && is_right) read_compared(files, *state, *claimed);
  ask(*state, files.plain);
  return 0;
}
