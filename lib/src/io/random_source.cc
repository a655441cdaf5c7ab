// SPDX-License-Identifier: MIT
#include <vmstream/random_source.h>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include <fmt/format.h>

#include "io/random_file.h"

namespace vmstream {
namespace {

Status check_range(uint64_t offset, uint64_t count, uint64_t length) {
  if (offset <= length && count <= length - offset) return ok();
  return Error{Errc::Truncated,
               fmt::format("{} bytes wanted at {:#x}, the end is at {:#x}", count, offset, length)};
}

class RandomFile final : public RandomSource {
 public:
  RandomFile(UniqueFd fd, uint64_t length, uint32_t owner)
      : fd_(std::move(fd)), length_(length), owner_(owner) {}

  uint64_t length() const override { return length_; }
  std::optional<uint32_t> owner() const override { return owner_; }

  Status read_at(uint64_t offset, std::span<std::byte> into) override {
    if (auto inside = check_range(offset, into.size(), length_); !inside) return inside;
    while (!into.empty()) {
      ssize_t got = ::pread(fd_.get(), into.data(), into.size(), static_cast<off_t>(offset));
      if (got < 0 && errno == EINTR) continue;
      if (got < 0) return system_error("read", errno);
      if (got == 0) return Error{Errc::Truncated, "the file became shorter while it was read"};
      into = into.subspan(static_cast<size_t>(got));
      offset += static_cast<uint64_t>(got);
    }
    return ok();
  }

 private:
  UniqueFd fd_;
  uint64_t length_;
  uint32_t owner_;
};

class RandomMemory final : public RandomSource {
 public:
  explicit RandomMemory(std::span<const std::byte> bytes) : bytes_(bytes) {}

  uint64_t length() const override { return bytes_.size(); }

  Status read_at(uint64_t offset, std::span<std::byte> into) override {
    if (auto inside = check_range(offset, into.size(), length()); !inside) return inside;
    std::ranges::copy(bytes_.subspan(static_cast<size_t>(offset), into.size()), into.begin());
    return ok();
  }

 private:
  std::span<const std::byte> bytes_;
};

class StretchSource final : public ByteSource {
 public:
  StretchSource(RandomSource& whole, uint64_t offset, uint64_t length)
      : whole_(whole), offset_(offset), left_(length) {}

  Result<size_t> read(std::span<std::byte> into) override {
    into = into.first(static_cast<size_t>(std::min<uint64_t>(into.size(), left_)));
    if (auto got = whole_.read_at(offset_, into); !got) return got.error();
    offset_ += into.size();
    left_ -= into.size();
    return into.size();
  }

 private:
  RandomSource& whole_;
  uint64_t offset_;
  uint64_t left_;
};

}  // namespace

Result<std::unique_ptr<RandomSource>> open_random_file(const std::string& path) {
  struct stat status {};
  if (::stat(path.c_str(), &status) != 0) return system_error("open", errno);
  // Opening a FIFO would wait for its writer, or take bytes from another reader.
  if (!S_ISREG(status.st_mode) && !S_ISBLK(status.st_mode)) {
    return Error{Errc::Unsupported, "cannot be read by position"};
  }
  UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd.is_open()) return system_error("open", errno);
  return make_random_file(std::move(fd));
}

Result<std::unique_ptr<RandomSource>> make_random_file(UniqueFd fd) {
  struct stat status {};
  if (::fstat(fd.get(), &status) != 0) return system_error("look at the file", errno);
  off_t length = ::lseek(fd.get(), 0, SEEK_END);  // of devices too
  if (length < 0) return system_error("seek to the end", errno);
  return std::unique_ptr<RandomSource>(
      std::make_unique<RandomFile>(std::move(fd), static_cast<uint64_t>(length), status.st_uid));
}

std::unique_ptr<RandomSource> make_random_memory(std::span<const std::byte> borrowed_bytes) {
  return std::make_unique<RandomMemory>(borrowed_bytes);
}

std::unique_ptr<ByteSource> make_stretch_source(RandomSource& whole, uint64_t offset,
                                                uint64_t length) {
  return std::make_unique<StretchSource>(whole, offset, length);
}

}  // namespace vmstream
