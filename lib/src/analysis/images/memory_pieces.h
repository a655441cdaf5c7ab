// SPDX-License-Identifier: MIT
// The memory of an image read piece by piece, on several threads; pieces come in the order of the
// addresses.
#pragma once

#include <algorithm>
#include <functional>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include <vmstream/memory_image.h>
#include "pipeline/buffer.h"
#include "pipeline/ordered_pipeline.h"

namespace vmstream {

/// Consecutive bytes of memory.
struct MemoryPiece {
  uint64_t address = 0;
  size_t length = 0;
  Buffer bytes = {};
  uint64_t absent_pages = 0;
};

/// What one thread reads with.
struct PieceReader {
  StateFile file;
  std::optional<RamImage> image = std::nullopt;
  std::optional<PhysicalMemory> memory = std::nullopt;

  /// Of a file that is open already.
  static Result<std::shared_ptr<PieceReader>> open(StateFile& file, const PhysicalMap& map);
  /// Fills in the bytes of a piece.
  Status read(MemoryPiece& piece);
};

/// Gives the places of pieces one after the other, none longer than kPieceBytes, none over the end
/// of a stretch, all beginning at multiples of kPieceBytes if the stretch allows.
class PieceCutter {
 public:
  static constexpr uint64_t kPieceBytes = 1u << 20;

  explicit PieceCutter(const std::vector<ImageStretch>& stretches) : stretches_(stretches) {}
  std::optional<MemoryPiece> next();

 private:
  const std::vector<ImageStretch>& stretches_;
  size_t stretch_ = 0;
  uint64_t done_ = 0;  // of it
};

/// `work` is called on any thread with a piece that has been read, `take` on the caller's with what
/// it made, in order. The first error ends all.
template <typename Out>
Status for_each_piece(StateFile& file, const PhysicalMap& map,
                      const std::vector<ImageStretch>& stretches, const MemoryImageOptions& options,
                      const std::function<Result<Out>(MemoryPiece, PieceReader&)>& work,
                      const std::function<Status(Out)>& take) {
  using Pipeline = OrderedPipeline<MemoryPiece, Out>;
  unsigned threads = count_threads(options.threads);
  std::vector<std::shared_ptr<PieceReader>> readers;
  for (unsigned i = 0; i < threads; ++i) {
    auto reader = PieceReader::open(file, map);
    if (!reader) return reader.error();
    readers.push_back(std::move(*reader));
  }
  size_t given = 0;
  Pipeline pipeline(threads, [&]() -> typename Pipeline::Work {
    auto reader = readers[given++ % readers.size()];
    return [reader, &work](MemoryPiece piece) -> Result<Out> {
      if (auto read = reader->read(piece); !read) return read.error();
      return work(std::move(piece), *reader);
    };
  });
  PieceCutter cutter(stretches);
  uint64_t total = 0;
  uint64_t done = 0;
  for (const ImageStretch& stretch : stretches) total += stretch.length;
  for (auto piece = cutter.next(); piece || !pipeline.empty();) {
    while (piece && !pipeline.full()) {
      pipeline.push(std::move(*piece));
      piece = cutter.next();
    }
    auto made = pipeline.pop();
    if (!made) return made.error();
    if (auto taken = take(std::move(*made)); !taken) return taken;
    done = std::min(total, done + PieceCutter::kPieceBytes);
    if (options.on_progress) options.on_progress(done, total);
  }
  return ok();
}

}  // namespace vmstream
