// SPDX-License-Identifier: MIT
// Any bytes as a mapped-ram stream: its pages by position, the image of its blocks in a file, and
// the stream that a connection carries instead.
// Beyond not crashing: pages lie within their block and within the stream, and neither image nor
// stream depends on the size of the pieces.
#include <vmstream/extract.h>
#include <vmstream/stream_scan.h>
#include "state/unmapped.h"

#include <algorithm>
#include <string>
#include <vector>

#include "fuzz_input.h"
#include "support/temp_dir.h"

using namespace vmstream;
using fuzz::require;

namespace {

ScanResult scan(const fuzz::Input& input, size_t piece, StreamVisitor& visitor) {
  fuzz::PieceSource source(input.bytes, piece);
  return scan_stream(source, visitor, {.limits = fuzz::kLimits});
}

// Checks the pages, and keeps the names of the blocks.
class BlockLister final : public StreamVisitor {
 public:
  explicit BlockLister(const fuzz::Input& input) : length_(input.bytes.size()) {}

  Status on_ram_blocks(const RamBlockList& list) override {
    for (const RamBlock& block : list.blocks) {
      bool known = std::ranges::find(names, block.name) != names.end();
      if (!known) names.push_back(block.name);
    }
    return ok();
  }
  Status on_page(const Page& page) override {
    if (page.block) require(page.block_offset < page.block->used_length);
    require(page.offset < length_ && page.payload_offset <= length_);
    require(page.payload.size() <= length_ - page.payload_offset);
    return ok();
  }

  std::vector<std::string> names;

 private:
  uint64_t length_;
};

struct Image {
  bool good = false;
  uint64_t length = 0;
  uint64_t absent_pages = 0;
  std::vector<std::byte> front;  // as much as is compared
};

// The temporary file has no name: the target is never committed.
Image extract(const fuzz::Input& input, size_t piece, const std::string& block) {
  constexpr uint64_t kComparedBytes = 64 << 10;
  static const testing::TempDir folder;
  auto file = OutputFile::create(folder / "image", Overwrite::Refuse);
  require(static_cast<bool>(file));
  RamExtractor extractor(**file, block);
  scan(input, piece, extractor);
  auto info = extractor.finish();
  if (!info) return {};
  Image image{true, info->bytes, info->absent_pages, {}};
  image.front.resize(std::min(info->bytes, kComparedBytes));
  require(static_cast<bool>((*file)->read_at(0, image.front)));
  return image;
}

// Empty for what is no whole stream.
std::vector<std::byte> unmap(const fuzz::Input& input, size_t piece) {
  auto plain = make_random_memory(input.bytes);
  auto source = make_unmapped_source(*plain);
  if (!source) return {};
  std::vector<std::byte> stream;
  std::vector<std::byte> buffer(piece);
  for (;;) {
    auto count = (*source)->read(buffer);
    if (!count || *count == 0) return stream;
    stream.insert(stream.end(), buffer.begin(), buffer.begin() + static_cast<ptrdiff_t>(*count));
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  fuzz::Input input(data, size);
  BlockLister lister(input);
  scan(input, input.piece, lister);
  if (lister.names.empty()) return 0;
  require(unmap(input, 1 << 16) == unmap(input, input.piece));
  for (const std::string* name : {&lister.names.front(), &lister.names.back()}) {
    Image whole = extract(input, std::max<size_t>(input.bytes.size(), 1), *name);
    Image pieces = extract(input, input.piece, *name);
    require(whole.good == pieces.good);
    require(whole.length == pieces.length);
    require(whole.absent_pages == pieces.absent_pages);
    require(whole.front == pieces.front);
  }
  return 0;
}
