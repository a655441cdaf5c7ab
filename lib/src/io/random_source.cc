// SPDX-License-Identifier: MIT
#include <vmstream/random_source.h>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include <fmt/format.h>

#include "base/unique_fd.h"
#include "io/block_device.h"
#include "io/fd.h"
#include "io/hole_finder.h"
#include "io/wait.h"

namespace vmstream {
namespace {

Status check_range(uint64_t offset, uint64_t count, uint64_t length) {
  if (offset <= length && count <= length - offset) return ok();
  return Error{Errc::Truncated,
               fmt::format("{} bytes wanted at {:#x}, the end is at {:#x}", count, offset, length)};
}

// So many bytes less than the length that looking for holes is worth it.
constexpr uint64_t kWorthLooking = 1u << 20;

bool is_sparse(const struct stat& status) {
  constexpr uint64_t kUnit = 512;  // of st_blocks
  auto taken = static_cast<uint64_t>(status.st_blocks) * kUnit;
  return S_ISREG(status.st_mode) && taken + kWorthLooking <= static_cast<uint64_t>(status.st_size);
}

class FileReader final : public RandomSource {
 public:
  FileReader(std::shared_ptr<const UniqueFd> fd, uint64_t length, uint32_t owner, WaitLimits limits)
      : fd_(std::move(fd)), length_(length), owner_(owner), limits_(limits) {
    struct stat status {};
    if (::fstat(fd_->get(), &status) == 0 && is_sparse(status)) holes_.emplace(fd_->get(), length);
  }

  uint64_t length() const override { return length_; }
  std::optional<uint32_t> owner() const override { return owner_; }

  Status read_at(uint64_t offset, std::span<std::byte> into) override {
    if (auto inside = check_range(offset, into.size(), length_); !inside) return inside;
    if (auto within = check_limits(limits_, "input"); !within) return within;
    while (!into.empty()) {
      auto now = pass_hole(into, offset);
      if (now.empty()) continue;
      ssize_t got = ::pread(fd_->get(), now.data(), now.size(), static_cast<off_t>(offset));
      if (got < 0 && errno == EINTR) continue;
      if (got < 0) return system_error("read", errno);
      if (got == 0) return Error{Errc::Truncated, "the file became shorter while it was read"};
      into = into.subspan(static_cast<size_t>(got));
      offset += static_cast<uint64_t>(got);
    }
    return ok();
  }

 private:
  // Fills in the zeros of a hole, if one is there; gives what is to be read then: nothing behind a
  // hole, of which it is not known yet what follows.
  std::span<std::byte> pass_hole(std::span<std::byte>& into, uint64_t& offset) {
    if (!holes_) return into;
    auto [is_hole, length] = holes_->at(offset);
    auto front = into.first(static_cast<size_t>(std::min<uint64_t>(into.size(), length)));
    if (!is_hole || front.empty()) return front.empty() ? into : front;
    std::ranges::fill(front, std::byte{0});
    into = into.subspan(front.size());
    offset += front.size();
    return {};
  }

  std::shared_ptr<const UniqueFd> fd_;
  uint64_t length_;
  uint32_t owner_;
  WaitLimits limits_;
  std::optional<HoleFinder> holes_;  // of a file that has some
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

class WholeSource final : public ByteSource {
 public:
  explicit WholeSource(std::unique_ptr<RandomSource> whole)
      : whole_(std::move(whole)), stretch_(*whole_, 0, whole_->length()) {}
  Result<size_t> read(std::span<std::byte> into) override { return stretch_.read(into); }

 private:
  std::unique_ptr<RandomSource> whole_;
  StretchSource stretch_;
};

bool has_positions(const struct stat& status) {
  return S_ISREG(status.st_mode) || S_ISBLK(status.st_mode);
}

Error no_positions() {
  return Error{Errc::Unsupported, "cannot be read by position"};
}

}  // namespace

// The name may have come to lead elsewhere since it was looked at: a FIFO that is opened all the
// same must not keep anybody waiting.
Result<OpenedFile> OpenedFile::open(const std::string& path) {
  struct stat status {};
  if (::stat(path.c_str(), &status) != 0) return system_error("open", errno);
  if (S_ISDIR(status.st_mode)) return system_error("open", EISDIR);
  // Opening a FIFO would take bytes from another reader.
  if (!has_positions(status)) return no_positions();
  UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (!fd.is_open()) return system_error("open", errno);
  return adopt(fd.release());
}

Result<OpenedFile> OpenedFile::adopt(int owned_fd) {
  UniqueFd fd(owned_fd);
  struct stat status {};
  if (::fstat(fd.get(), &status) != 0) return system_error("stat", errno);
  if (!has_positions(status)) return no_positions();
  off_t length = status.st_size;
  if (S_ISBLK(status.st_mode)) length = ::lseek(fd.get(), 0, SEEK_END);
  if (length < 0) return system_error("seek to the end", errno);
  auto end = static_cast<uint64_t>(length);
  if (S_ISBLK(status.st_mode)) end = find_marked_end(fd.get(), end).value_or(end);
  return OpenedFile(std::make_shared<const UniqueFd>(std::move(fd)), end, status.st_uid);
}

// QEMU locks a byte for each thing that it does with an image (block/file-posix.c): 100 and 1 for
// writing, 100 and 3 for changing its length. The locks are of open files and shared, so that they
// are in the way of a lock of ours that is not.
bool OpenedFile::is_written_by_qemu() const {
  for (off_t byte : {off_t{101}, off_t{103}}) {
    struct flock lock {};
    lock.l_type = F_WRLCK;
    lock.l_whence = SEEK_SET;
    lock.l_start = byte;
    lock.l_len = 1;
    if (::fcntl(fd_->get(), F_OFD_GETLK, &lock) == 0 && lock.l_type != F_UNLCK) return true;
  }
  return false;
}

std::unique_ptr<RandomSource> OpenedFile::reader(WaitLimits limits) const {
  return std::make_unique<FileReader>(fd_, length_, owner_, limits);
}

Result<std::unique_ptr<RandomSource>> open_random_file(const std::string& path, WaitLimits limits) {
  auto file = OpenedFile::open(path);
  if (!file) return file.error();
  return file->reader(limits);
}

// The first read waits for a FIFO's writer, within the limits.
Result<OpenedInput> open_input(const std::string& path, WaitLimits limits) {
  UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  struct stat status {};
  if (!fd.is_open() || ::fstat(fd.get(), &status) != 0) return system_error("open", errno);
  if (S_ISDIR(status.st_mode)) return system_error("open", EISDIR);
  if (!has_positions(status)) return OpenedInput{{}, make_fd_source(std::move(fd), limits)};
  ::posix_fadvise(fd.get(), 0, 0, POSIX_FADV_SEQUENTIAL);
  auto file = OpenedFile::adopt(fd.release());
  if (!file) return file.error();
  return OpenedInput{std::move(*file)};
}

std::unique_ptr<RandomSource> make_random_memory(std::span<const std::byte> borrowed_bytes) {
  return std::make_unique<RandomMemory>(borrowed_bytes);
}

std::unique_ptr<ByteSource> make_stretch_source(RandomSource& whole, uint64_t offset,
                                                uint64_t length) {
  return std::make_unique<StretchSource>(whole, offset, length);
}

std::unique_ptr<ByteSource> make_whole_source(std::unique_ptr<RandomSource> whole) {
  return std::make_unique<WholeSource>(std::move(whole));
}

}  // namespace vmstream
