// SPDX-License-Identifier: MIT
// Any bytes on their way from one state file into another.
// Beyond not crashing: a verified stream is what it was in front of its end, whatever the pieces;
// and a mapped-ram file holds the memory of the stream that it was made from.
#include <vmstream/extract.h>
#include <vmstream/random_source.h>
#include <vmstream/stream_scan.h>
#include <vmstream/verification.h>
#include "state/mapped_ram_sink.h"

#include <algorithm>
#include <string>
#include <vector>

#include "fuzz_input.h"
#include "support/temp_dir.h"

using namespace vmstream;
using fuzz::require;

namespace {

using Bytes = std::vector<std::byte>;

// All that comes before the end or the error.
struct Passed {
  Bytes bytes;
  bool good = false;
};

Passed pass(ByteSource& source) {
  Passed passed;
  for (;;) {
    auto bytes = source.next();
    if (!bytes) return passed;
    passed.good = bytes->empty();
    if (passed.good) return passed;
    passed.bytes.insert(passed.bytes.end(), bytes->begin(), bytes->end());
  }
}

Passed verify(const fuzz::Input& input, size_t piece) {
  VerifiedSource source(std::make_unique<fuzz::PieceSource>(input.bytes, piece));
  return pass(source);
}

// The file, for as long as the next one is not made; null where the stream is none that such a file
// can be made of.
std::unique_ptr<RandomSource> map(std::span<const std::byte> stream) {
  static const testing::TempDir folder;
  static std::unique_ptr<OutputFile> file;
  auto created = OutputFile::create(folder / "file", Overwrite::Refuse);
  require(static_cast<bool>(created));
  file = std::move(*created);
  MappedRamSink sink(*file, false, {});
  if (!sink.write(stream) || !sink.finish()) return nullptr;
  auto opened = open_random_file("/proc/self/fd/" + std::to_string(file->descriptor()));
  require(opened && (*opened)->length() == sink.length());
  return std::move(*opened);
}

class BlockLister final : public StreamVisitor {
 public:
  Status on_ram_blocks(const RamBlockList& list) override {
    blocks = list.blocks;
    return ok();
  }
  std::vector<RamBlock> blocks;
};

constexpr uint64_t kMostBytes = 1u << 20;  // of a block that is compared

// The memory of a block; the temporary file never has a name.
template <typename Scan>
Bytes extract(const RamBlock& block, const Scan& scan) {
  static const testing::TempDir folder;
  auto file = OutputFile::create(folder / "image", Overwrite::Refuse);
  require(static_cast<bool>(file));
  RamExtractor extractor(**file, block.name);
  scan(extractor);
  require(static_cast<bool>(extractor.finish()));
  Bytes image(static_cast<size_t>(block.used_length));
  require(static_cast<bool>((*file)->read_at(0, image)));
  return image;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  fuzz::Input input(data, size);
  Passed whole = verify(input, std::max<size_t>(input.bytes.size(), 1));
  Passed pieces = verify(input, input.piece);
  require(whole.good == pieces.good);
  require(!whole.good || whole.bytes == pieces.bytes);
  for (const Passed* passed : {&whole, &pieces}) {
    require(passed->bytes.size() <= input.bytes.size());
    require(std::equal(passed->bytes.begin(), passed->bytes.end(), input.bytes.begin()));
  }
  if (!whole.good) return 0;
  auto mapped = map(whole.bytes);
  if (!mapped) return 0;
  BlockLister lister;
  auto listed = make_memory_source(whole.bytes);
  scan_stream(*listed, lister);
  for (const RamBlock& block : lister.blocks) {
    if (block.used_length > kMostBytes) return 0;
  }
  for (const RamBlock& block : lister.blocks) {
    require(extract(block, [&](StreamVisitor& visitor) {
              auto stream = make_memory_source(whole.bytes);
              scan_stream(*stream, visitor);
            }) == extract(block, [&](StreamVisitor& visitor) { scan_seekable(*mapped, visitor); }));
  }
  return 0;
}
