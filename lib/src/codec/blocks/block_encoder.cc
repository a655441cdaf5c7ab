// SPDX-License-Identifier: MIT
// The caller's thread fills blocks and writes units, both in order; workers compress. A block and
// its unit travel together and are used again, so that a long stream allocates nothing.
#include <algorithm>
#include <optional>

#include "base/hash.h"
#include "codec/blocks/block_codec.h"
#include "pipeline/ordered_pipeline.h"

namespace vmstream {
namespace {

struct Block {
  Buffer plain;
  Buffer packed;
};

using BlockPipeline = OrderedPipeline<Block, Block>;

BlockPipeline::Work make_work(const BlockCodec& codec, int level, const WaitLimits& limits) {
  std::shared_ptr<BlockCompressor> compressor = codec.make_compressor(level, limits);
  return [compressor](Block block) -> Result<Block> {
    auto done = compressor->compress(block.plain.view(), block.packed);
    if (!done) return done.error();
    return block;
  };
}

class BlockEncoder final : public ByteSink {
 public:
  BlockEncoder(const BlockCodec& codec, ByteSink& next, int level, const EncodeOptions& options,
               TrailerWriter write_trailer)
      : codec_(codec),
        next_(next),
        write_trailer_(std::move(write_trailer)),
        block_bytes_(codec.block_bytes(level)),
        pipeline_(count_threads(options.threads),
                  [&] { return make_work(codec, level, options.limits); }) {
    filling_.plain.reserve(block_bytes_);
  }

  Status write(std::span<const std::byte> bytes) override {
    while (!bytes.empty()) {
      size_t taken = filling_.plain.append(bytes.first(std::min(bytes.size(), room())));
      bytes = bytes.subspan(taken);
      if (auto accepted = accept(); !accepted) return accepted;
    }
    return ok();
  }

  std::span<std::byte> lend() override {
    if (failed_) return {};
    return filling_.plain.room().first(room());
  }

  Status commit(size_t count) override {
    filling_.plain.extend(count);
    return accept();
  }

  Status finish() override {
    if (failed_) return *failed_;
    // A file without any unit would be no valid file, so an empty input becomes an empty block.
    if (!filling_.plain.empty() || !any_submitted_) {
      if (auto submitted = submit(); !submitted) return submitted;
    }
    while (!pipeline_.empty()) {
      if (auto written = write_oldest(); !written) return written;
    }
    if (write_trailer_) {
      auto written = write_trailer_(next_, written_, checksum_);
      if (!written) return fail(written.error());
    }
    return next_.finish();
  }

 private:
  size_t room() const { return block_bytes_ - filling_.plain.size(); }

  Status accept() {
    if (failed_) return *failed_;
    return room() == 0 ? submit() : ok();
  }

  // Starts work on the block that was filled and writes what has been finished meanwhile.
  Status submit() {
    any_submitted_ = true;
    pipeline_.push(std::move(filling_));
    while (pipeline_.full() || pipeline_.ready()) {
      if (auto written = write_oldest(); !written) return written;
    }
    if (!spare_.empty()) {
      filling_ = std::move(spare_.back());
      spare_.pop_back();
    }
    filling_.plain.clear();
    filling_.plain.reserve(block_bytes_);
    return ok();
  }

  Status write_oldest() {
    auto block = pipeline_.pop();
    if (!block) return fail(block.error());
    auto written = next_.write(block->packed.view());
    if (!written) return fail(written.error());
    note(*block);
    spare_.push_back(std::move(*block));
    return ok();
  }

  void note(const Block& block) {
    if (!write_trailer_) return;
    checksum_ = crc32_of(block.packed.view(), checksum_);
    auto plain = static_cast<uint32_t>(block.plain.size());
    auto packed = static_cast<uint32_t>(block.packed.size());
    bool noted =
        written_.size() < kMaxPackedBlocks &&
        (plain == 0 ? written_.append_gap(packed)
                    : written_.append(plain, packed, codec_.check_of(block.packed.view())));
    if (!noted) write_trailer_ = {};  // the file is whole without
  }

  Status fail(const Error& error) {
    failed_ = error;
    return error;
  }

  const BlockCodec& codec_;
  ByteSink& next_;
  TrailerWriter write_trailer_;
  BlockTable written_;
  uint32_t checksum_ = 0;  // of all written, for the trailer
  const size_t block_bytes_;
  Block filling_;
  bool any_submitted_ = false;
  std::vector<Block> spare_;
  std::optional<Error> failed_;
  BlockPipeline pipeline_;
};

}  // namespace

Result<std::unique_ptr<ByteSink>> make_block_encoder(const BlockCodec& codec, ByteSink& next,
                                                     int level, const EncodeOptions& options,
                                                     TrailerWriter write_trailer) {
  return std::unique_ptr<ByteSink>(
      std::make_unique<BlockEncoder>(codec, next, level, options, std::move(write_trailer)));
}

}  // namespace vmstream
