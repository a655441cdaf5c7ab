// SPDX-License-Identifier: MIT
#include "guest/mapped/memory_copy.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <memory>

#include "base/zero.h"
#include "guest/lazy/lazy_reader.h"
#include "io/wait.h"
#include "pipeline/buffer.h"
#include "pipeline/ordered_pipeline.h"

namespace vmstream {
namespace {

constexpr uint64_t kPieceBytes = 1u << 20;
constexpr int kSeals = F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE;

// A part of a block.
struct Piece {
  size_t block = 0;
  uint64_t page = 0;
  size_t bytes = 0;
};
using Pipeline = OrderedPipeline<Piece, uint64_t>;

Result<UniqueFd> make_memory(uint64_t length) {
  UniqueFd memory(::memfd_create("vmstream-memory", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  if (!memory.is_open()) return system_error("memfd_create", errno);
  if (::ftruncate(memory.get(), static_cast<off_t>(length)) != 0) {
    return system_error("memory for a copy", errno);
  }
  return memory;
}

Status write_at(const UniqueFd& memory, uint64_t offset, std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    ssize_t count =
        ::pwrite(memory.get(), bytes.data(), bytes.size(), static_cast<off_t>(offset));
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return system_error("memory for a copy", errno);
    bytes = bytes.subspan(static_cast<size_t>(count));
    offset += static_cast<uint64_t>(count);
  }
  return ok();
}

// What one thread does. Zeros stay holes.
Result<uint64_t> copy_piece(LazyReader& reader, const std::vector<UniqueFd>& memories,
                            const std::vector<IndexedBlock>& blocks, const Piece& piece) {
  size_t page_size = reader.image.page_size();
  Buffer buffer(piece.bytes);
  auto pages = buffer.room().first(piece.bytes);
  auto read = reader.image.read(piece.block, piece.page, pages);
  if (!read) return read.error();
  uint64_t begin = piece.page * page_size;
  uint64_t length = std::min<uint64_t>(piece.bytes, blocks[piece.block].block.used_length - begin);
  for (size_t at = 0; at < length; at += page_size) {
    auto page = pages.subspan(at, std::min<size_t>(page_size, static_cast<size_t>(length) - at));
    if (is_zero(page)) continue;
    auto written = write_at(memories[piece.block], begin + at, page);
    if (!written) return written.error();
  }
  return length;
}

std::vector<Piece> pieces_of(const std::vector<IndexedBlock>& blocks, size_t count,
                             uint64_t page_size) {
  std::vector<Piece> pieces;
  uint64_t step = std::max<uint64_t>(kPieceBytes / page_size, 1);
  for (size_t block = 0; block < count; ++block) {
    uint64_t pages = (blocks[block].block.used_length + page_size - 1) / page_size;
    for (uint64_t page = 0; page < pages; page += step) {
      uint64_t here = std::min(step, pages - page);
      pieces.push_back({block, page, static_cast<size_t>(here * page_size)});
    }
  }
  return pieces;
}

Status fill(Pipeline& pipeline, const std::vector<Piece>& pieces, const WaitLimits& limits,
            const std::function<void(uint64_t bytes)>& on_progress) {
  uint64_t done = 0;
  size_t next = 0;
  while (next < pieces.size() || !pipeline.empty()) {
    if (auto within = check_limits(limits, "the copy of the memory"); !within) return within;
    while (next < pieces.size() && !pipeline.full()) pipeline.push(pieces[next++]);
    auto copied = pipeline.pop();
    if (!copied) return copied.error();
    done += *copied;
    if (on_progress) on_progress(done);
  }
  return ok();
}

}  // namespace

Result<std::vector<UniqueFd>> copy_memory(const LazyFile& file, size_t blocks,
                                          const MemoryViewOptions& options,
                                          const std::function<void(uint64_t bytes)>& on_progress) {
  const auto& listed = file.index().facts.blocks;
  std::vector<UniqueFd> memories;
  for (size_t block = 0; block < blocks; ++block) {
    auto memory = make_memory(listed[block].block.used_length);
    if (!memory) return memory.error();
    memories.push_back(std::move(*memory));
  }
  unsigned threads = std::min(count_threads(options.threads), MemoryView::kMostThreads);
  std::vector<std::shared_ptr<LazyReader>> readers;
  for (unsigned i = 0; i < threads; ++i) {
    auto reader = file.open_reader(LazyCache::kScattered, options.limits);
    if (!reader) return reader.error();
    readers.push_back(std::make_shared<LazyReader>(std::move(*reader)));
  }
  size_t given = 0;
  Pipeline pipeline(threads, [&]() -> Pipeline::Work {
    auto reader = readers[given++ % readers.size()];
    return [reader, &memories, &listed](const Piece& piece) {
      return copy_piece(*reader, memories, listed, piece);
    };
  });
  auto pieces = pieces_of(listed, blocks, file.index().facts.target_page_size);
  if (auto filled = fill(pipeline, pieces, options.limits, on_progress); !filled) {
    return filled.error();
  }
  for (const UniqueFd& memory : memories) {
    if (::fcntl(memory.get(), F_ADD_SEALS, kSeals) != 0) return system_error("seal a copy", errno);
  }
  return memories;
}

}  // namespace vmstream
