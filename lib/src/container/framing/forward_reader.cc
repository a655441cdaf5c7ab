// SPDX-License-Identifier: MIT
#include "container/framing/forward_reader.h"

#include <fmt/format.h>

#include <algorithm>

namespace vmstream {
namespace {

constexpr size_t kPassedAtOnce = 64 * 1024;

class FileForwardReader final : public ForwardReader {
 public:
  explicit FileForwardReader(RandomSource& file) : file_(file) {}
  std::optional<uint64_t> length() const override { return file_.length(); }

 private:
  Result<size_t> take(uint64_t position, std::span<std::byte> into) override {
    uint64_t left = position < file_.length() ? file_.length() - position : 0;
    into = into.first(static_cast<size_t>(std::min<uint64_t>(into.size(), left)));
    if (auto got = file_.read_at(std::min(position, file_.length()), into); !got) {
      return got.error();
    }
    return into.size();
  }
  Status pass(uint64_t) override { return ok(); }

  RandomSource& file_;
};

class PipeForwardReader final : public ForwardReader {
 public:
  explicit PipeForwardReader(std::unique_ptr<ByteSource> source) : source_(std::move(source)) {}

 private:
  Result<size_t> take(uint64_t, std::span<std::byte> into) override {
    return read_fully(*source_, into);
  }
  Status pass(uint64_t count) override {
    passed_.resize(static_cast<size_t>(std::min<uint64_t>(count, kPassedAtOnce)));
    while (count > 0) {
      size_t wanted = static_cast<size_t>(std::min<uint64_t>(count, passed_.size()));
      auto got = source_->read(std::span(passed_).first(wanted));
      if (!got) return got.error();
      if (*got == 0) break;
      count -= *got;
    }
    return ok();
  }

  std::unique_ptr<ByteSource> source_;
  std::vector<std::byte> passed_;
};

}  // namespace

Result<std::span<const std::byte>> ForwardReader::peek(size_t count) {
  size_t had = ahead_.size();
  if (had < count) {
    ahead_.resize(count);
    auto got = take(position_, std::span(ahead_).subspan(had));
    ahead_.resize(had + (got ? *got : 0));
    if (!got) return got.error();
    position_ += *got;
  }
  return std::span<const std::byte>(ahead_).first(std::min(count, ahead_.size()));
}

Result<size_t> ForwardReader::read(std::span<std::byte> into) {
  size_t kept = std::min(into.size(), ahead_.size());
  std::copy_n(ahead_.begin(), kept, into.begin());
  ahead_.erase(ahead_.begin(), ahead_.begin() + static_cast<ptrdiff_t>(kept));
  if (kept == into.size()) return kept;
  auto got = take(position_, into.subspan(kept));
  if (!got) return got;
  position_ += *got;
  return kept + *got;
}

Status ForwardReader::read_all(std::span<std::byte> into, std::string_view what) {
  uint64_t at = position();
  auto got = read(into);
  if (!got) return got.error();
  if (*got == into.size()) return ok();
  return Error{.code = Errc::Truncated,
               .message = fmt::format("{} needs {} bytes, {} left", what, into.size(), *got),
               .file_offset = at};
}

Result<std::vector<std::byte>> ForwardReader::read_bytes(size_t count, std::string_view what) {
  std::vector<std::byte> bytes(count);
  if (auto read = read_all(bytes, what); !read) return read.error();
  return bytes;
}

Status ForwardReader::skip(uint64_t count) {
  uint64_t kept = std::min<uint64_t>(count, ahead_.size());
  ahead_.erase(ahead_.begin(), ahead_.begin() + static_cast<ptrdiff_t>(kept));
  count -= kept;
  if (count > UINT64_MAX - position_) return malformed("leads beyond what any file can hold");
  if (auto passed = pass(count); !passed) return passed;
  position_ += count;
  return ok();
}

Error ForwardReader::malformed(std::string message) const {
  return Error{.code = Errc::Malformed, .message = std::move(message), .file_offset = position()};
}

std::unique_ptr<ForwardReader> make_forward_reader(RandomSource& file) {
  return std::make_unique<FileForwardReader>(file);
}

std::unique_ptr<ForwardReader> make_forward_reader(std::unique_ptr<ByteSource> source) {
  return std::make_unique<PipeForwardReader>(std::move(source));
}

}  // namespace vmstream
