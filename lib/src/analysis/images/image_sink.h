// SPDX-License-Identifier: MIT
// Where an image goes: a file with holes, or a pipe from front to end.
#pragma once

#include <cstdint>
#include <span>

#include <vmstream/byte_sink.h>
#include <vmstream/output_file.h>

namespace vmstream {

class ImageSink {
 public:
  virtual ~ImageSink() = default;
  /// At ascending offsets; what is left out is zero.
  virtual Status put(uint64_t offset, std::span<const std::byte> bytes) = 0;
  /// Zeros up to the end.
  virtual Status end(uint64_t length) = 0;
};

/// Zero pages become holes.
class FileImageSink final : public ImageSink {
 public:
  explicit FileImageSink(OutputFile& out) : out_(out) {}
  Status put(uint64_t offset, std::span<const std::byte> bytes) override;
  Status end(uint64_t length) override { return out_.resize(length); }

 private:
  OutputFile& out_;
};

class PipeImageSink final : public ImageSink {
 public:
  explicit PipeImageSink(ByteSink& out) : out_(out) {}
  Status put(uint64_t offset, std::span<const std::byte> bytes) override;
  Status end(uint64_t length) override;

 private:
  ByteSink& out_;
  uint64_t position_ = 0;
};

}  // namespace vmstream
