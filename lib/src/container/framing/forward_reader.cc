// SPDX-License-Identifier: MIT
#include "container/framing/forward_reader.h"

#include <fmt/format.h>

#include <algorithm>

namespace vmstream {
namespace {

constexpr size_t kPassedAtOnce = 64 * 1024;
// Heads of records are small, and may stand close together: each read brings what follows it.
constexpr size_t kReadAtOnce = 4096;

class FileForwardReader final : public ForwardReader {
 public:
  explicit FileForwardReader(RandomSource& file) : file_(file) {}
  std::optional<uint64_t> length() const override { return file_.length(); }

 private:
  Result<size_t> take(uint64_t position, std::span<std::byte> into) override {
    uint64_t left = position < file_.length() ? file_.length() - position : 0;
    into = into.first(static_cast<size_t>(std::min<uint64_t>(into.size(), left)));
    if (into.empty()) return size_t{0};
    if (into.size() < kReadAtOnce) return take_few(position, left, into);
    if (auto got = file_.read_at(position, into); !got) return got.error();
    return into.size();
  }
  Status pass(uint64_t) override { return ok(); }

  Result<size_t> take_few(uint64_t position, uint64_t left, std::span<std::byte> into) {
    bool has_all = position >= near_at_ && position - near_at_ <= near_.size() &&
                   into.size() <= near_.size() - (position - near_at_);
    if (!has_all) {
      near_.resize(static_cast<size_t>(std::min<uint64_t>(left, kReadAtOnce)));
      near_at_ = position;
      if (auto got = file_.read_at(position, near_); !got) {
        near_.clear();
        return got.error();
      }
    }
    auto from = near_.begin() + static_cast<ptrdiff_t>(position - near_at_);
    std::copy_n(from, into.size(), into.begin());
    return into.size();
  }

  RandomSource& file_;
  std::vector<std::byte> near_;  // what was read last
  uint64_t near_at_ = 0;
};

class PipeForwardReader final : public ForwardReader {
 public:
  explicit PipeForwardReader(std::unique_ptr<ByteSource> source) : source_(std::move(source)) {}

 private:
  Result<size_t> take(uint64_t, std::span<std::byte> into) override {
    size_t done = 0;
    while (done < into.size()) {
      bool is_few = near_taken_ < near_.size() || into.size() - done < kReadAtOnce;
      auto got = is_few ? take_few(into.subspan(done)) : read_fully(*source_, into.subspan(done));
      if (!got) return got;
      if (*got == 0) break;
      done += *got;
    }
    return done;
  }
  // Of what has come; not waiting for more than is asked for.
  Result<size_t> take_few(std::span<std::byte> into) {
    if (near_taken_ == near_.size()) {
      near_.resize(kReadAtOnce);
      auto got = source_->read(near_);
      near_.resize(got ? *got : 0);
      near_taken_ = 0;
      if (!got) return got;
    }
    into = into.first(std::min(into.size(), near_.size() - near_taken_));
    std::copy_n(near_.begin() + static_cast<ptrdiff_t>(near_taken_), into.size(), into.begin());
    near_taken_ += into.size();
    return into.size();
  }
  Status pass(uint64_t count) override {
    auto near = static_cast<size_t>(std::min<uint64_t>(count, near_.size() - near_taken_));
    near_taken_ += near;
    count -= near;
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
  std::vector<std::byte> near_;  // read, and taken up to `near_taken_`
  size_t near_taken_ = 0;
};

}  // namespace

Result<std::span<const std::byte>> ForwardReader::peek(size_t count) {
  size_t had = kept();
  if (had < count) {
    drop(0);
    ahead_.resize(count);
    auto got = take(position_, std::span(ahead_).subspan(had));
    ahead_.resize(had + (got ? *got : 0));
    if (!got) return got.error();
    position_ += *got;
  }
  return std::span<const std::byte>(ahead_).subspan(taken_, std::min(count, kept()));
}

// `count` more of what was kept are taken; what was taken before goes away.
void ForwardReader::drop(size_t count) {
  taken_ += count;
  if (count > 0 && taken_ < ahead_.size()) return;
  ahead_.erase(ahead_.begin(), ahead_.begin() + static_cast<ptrdiff_t>(taken_));
  taken_ = 0;
}

Result<size_t> ForwardReader::read(std::span<std::byte> into) {
  size_t from_kept = std::min(into.size(), kept());
  std::copy_n(ahead_.begin() + static_cast<ptrdiff_t>(taken_), from_kept, into.begin());
  drop(from_kept);
  if (from_kept == into.size()) return from_kept;
  auto got = take(position_, into.subspan(from_kept));
  if (!got) return got;
  position_ += *got;
  return from_kept + *got;
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
  auto from_kept = static_cast<size_t>(std::min<uint64_t>(count, kept()));
  drop(from_kept);
  count -= from_kept;
  if (count > UINT64_MAX - position_) return malformed("leads beyond what any file can hold");
  if (auto passed = pass(count); !passed) return passed;
  position_ += count;
  return ok();
}

Status ForwardReader::skip_to_last(uint64_t count) {
  if (auto all = length()) {
    uint64_t left = *all - std::min(position(), *all);
    return skip(left - std::min(left, count));
  }
  auto most = static_cast<size_t>(count);
  for (;;) {
    size_t wanted = std::max(kept(), most) + most;
    auto seen = peek(wanted);
    if (!seen) return seen.error();
    bool is_end = seen->size() < wanted;
    if (seen->size() > most) drop(seen->size() - most);
    if (is_end) return ok();
  }
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
