// SPDX-License-Identifier: MIT
// Sources and sinks that need no descriptor, and what every source and sink does by default.
#include <algorithm>
#include <cstring>

#include <vmstream/byte_sink.h>
#include <vmstream/byte_source.h>

namespace vmstream {
namespace {

constexpr size_t kScratchBytes = 256 * 1024;

class MemorySource final : public ByteSource {
 public:
  explicit MemorySource(std::span<const std::byte> bytes) : rest_(bytes) {}
  Result<size_t> read(std::span<std::byte> into) override {
    size_t count = std::min(into.size(), rest_.size());
    std::copy_n(rest_.begin(), count, into.begin());
    rest_ = rest_.subspan(count);
    return count;
  }
  Result<std::span<const std::byte>> next() override { return std::exchange(rest_, {}); }

 private:
  std::span<const std::byte> rest_;
};

class PrefixedSource final : public ByteSource {
 public:
  PrefixedSource(std::vector<std::byte> head, std::unique_ptr<ByteSource> tail)
      : head_(std::move(head)), tail_(std::move(tail)) {}
  Result<size_t> read(std::span<std::byte> into) override {
    if (used_ == head_.size()) return tail_->read(into);
    size_t count = std::min(into.size(), head_.size() - used_);
    std::copy_n(head_.begin() + static_cast<ptrdiff_t>(used_), count, into.begin());
    used_ += count;
    return count;
  }
  Result<std::span<const std::byte>> next() override {
    if (used_ == head_.size()) return tail_->next();
    return std::span<const std::byte>(head_).subspan(std::exchange(used_, head_.size()));
  }

 private:
  std::vector<std::byte> head_;
  size_t used_ = 0;
  std::unique_ptr<ByteSource> tail_;
};

class MemorySink final : public ByteSink {
 public:
  explicit MemorySink(std::vector<std::byte>& bytes) : bytes_(bytes) {}
  Status write(std::span<const std::byte> bytes) override {
    bytes_.insert(bytes_.end(), bytes.begin(), bytes.end());
    return ok();
  }
  Status finish() override { return ok(); }

 private:
  std::vector<std::byte>& bytes_;
};

}  // namespace

Result<std::span<const std::byte>> ByteSource::next() {
  scratch_.resize(kScratchBytes);
  auto count = read(scratch_);
  if (!count) return count.error();
  return std::span<const std::byte>(scratch_).first(*count);
}

Status ByteSink::commit(size_t) {
  return Error{Errc::Usage, "commit() without a lent buffer"};
}

Result<size_t> read_fully(ByteSource& source, std::span<std::byte> into) {
  size_t filled = 0;
  while (filled < into.size()) {
    auto count = source.read(into.subspan(filled));
    if (!count) return count.error();
    if (*count == 0) break;
    filled += *count;
  }
  return filled;
}

std::unique_ptr<ByteSource> make_memory_source(std::span<const std::byte> borrowed_bytes) {
  return std::make_unique<MemorySource>(borrowed_bytes);
}

std::unique_ptr<ByteSource> make_prefixed_source(std::vector<std::byte> head,
                                                 std::unique_ptr<ByteSource> tail) {
  return std::make_unique<PrefixedSource>(std::move(head), std::move(tail));
}

std::unique_ptr<ByteSink> make_memory_sink(std::vector<std::byte>& borrowed_bytes) {
  return std::make_unique<MemorySink>(borrowed_bytes);
}

}  // namespace vmstream
