// SPDX-License-Identifier: MIT
#include "io/block_device.h"

#include <endian.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include "base/hash.h"
#include "base/zero.h"
#include "io/fd.h"

namespace vmstream {
namespace {

constexpr uint64_t kProbedBytes = 1u << 20;  // at either end of a device, before it is overwritten
constexpr uint64_t kWipedBytes = 1u << 20;   // behind the file
constexpr size_t kFrontBytes = 4096;         // that are written last
constexpr uint64_t kHashedBytes = 64 * 1024;

constexpr uint32_t kZstdMagic = 0xFD2FB528;
constexpr uint32_t kSkippableMagic = 0x184D2A50;
constexpr uint64_t kSkippableHeaderBytes = 8;
constexpr uint64_t kLongestSkippable = 1u << 30;  // of less than 4 GiB that its length can tell
constexpr uint64_t kShortestSkippable = 64;       // so that the mark of the end lies within

constexpr std::array<char, 16> kMarkMagic{'v', 'm', 's', 't', 'r', 'e', 'a',  'm',
                                          ' ', 'e', 'n', 'd', ' ', '1', '\n', '\0'};

// In the last bytes of a device; numbers are little-endian. The hashes are of the file's first and
// last 64 KiB and of the mark before them: of a device that was written to since they do not fit.
struct EndMark {
  std::array<char, 16> magic = kMarkMagic;
  uint64_t file_bytes = 0;
  uint64_t front_hash = 0;
  uint64_t back_hash = 0;
  uint64_t mark_hash = 0;
};
static_assert(sizeof(EndMark) + kSkippableHeaderBytes <= kShortestSkippable);

uint64_t hash_of_mark(const EndMark& mark) {
  return xxh64(std::as_bytes(std::span(&mark, 1)).first(offsetof(EndMark, mark_hash)));
}

Status read_at(int fd, uint64_t offset, std::span<std::byte> into) {
  while (!into.empty()) {
    ssize_t count = ::pread(fd, into.data(), into.size(), static_cast<off_t>(offset));
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return system_error("read", errno);
    if (count == 0) return Error{Errc::Environment, "the device became shorter"};
    into = into.subspan(static_cast<size_t>(count));
    offset += static_cast<uint64_t>(count);
  }
  return ok();
}

Status write_at(int fd, uint64_t offset, std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    ssize_t count = ::pwrite(fd, bytes.data(), bytes.size(), static_cast<off_t>(offset));
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return system_error("write", errno);
    bytes = bytes.subspan(static_cast<size_t>(count));
    offset += static_cast<uint64_t>(count);
  }
  return ok();
}

Result<uint64_t> hash_at(int fd, uint64_t offset, uint64_t length) {
  std::vector<std::byte> bytes(static_cast<size_t>(length));
  if (auto read = read_at(fd, offset, bytes); !read) return read.error();
  return xxh64(bytes);
}

Result<EndMark> make_mark(int fd, uint64_t file_bytes) {
  uint64_t hashed = std::min(kHashedBytes, file_bytes);
  auto front = hash_at(fd, 0, hashed);
  if (!front) return front.error();
  auto back = hash_at(fd, file_bytes - hashed, hashed);
  if (!back) return back.error();
  EndMark mark{.file_bytes = htole64(file_bytes),
               .front_hash = htole64(*front),
               .back_hash = htole64(*back)};
  mark.mark_hash = htole64(hash_of_mark(mark));
  return mark;
}

Error not_empty(uint64_t offset) {
  return Error{.code = Errc::Refused,
               .message = fmt::format("the device holds something: byte {:#x} is not zero", offset),
               .hint = "--force overwrites it"};
}

}  // namespace

Result<BlockDevice> BlockDevice::open(const std::string& path, Overwrite overwrite) {
  // The kernel lets nobody in beside a mounted file system, a volume, or another writer.
  UniqueFd fd(::open(path.c_str(), O_RDWR | O_EXCL | O_CLOEXEC));
  if (!fd.is_open() && errno == EBUSY) {
    return Error{
        .code = Errc::Refused,
        .message = "the device is in use: it is mounted, part of another, or being written"};
  }
  if (!fd.is_open()) return system_error("open", errno);
  off_t length = ::lseek(fd.get(), 0, SEEK_END);
  if (length < 0) return system_error("seek to the end", errno);
  BlockDevice device(std::move(fd), static_cast<uint64_t>(length));
  if (overwrite == Overwrite::Refuse) {
    if (auto empty = device.check_empty(); !empty) return empty.error();
  }
  return device;
}

Status BlockDevice::check_empty() const {
  uint64_t probed = std::min(kProbedBytes, length_);
  std::vector<std::byte> bytes(static_cast<size_t>(probed));
  for (uint64_t offset : {uint64_t{0}, length_ - probed}) {
    if (auto read = read_at(fd_.get(), offset, bytes); !read) return read;
    if (is_zero(bytes)) continue;
    auto found = std::ranges::find_if(bytes, [](std::byte byte) { return byte != std::byte{0}; });
    return not_empty(offset + static_cast<uint64_t>(found - bytes.begin()));
  }
  return ok();
}

// A save that fails before its first byte has harmed nothing.
Status BlockDevice::begin() {
  return front_.empty() ? clear_front() : ok();
}

// What the device held is no file any more before the first of the new bytes is there.
Status BlockDevice::clear_front() {
  std::vector<std::byte> zeros(static_cast<size_t>(std::min<uint64_t>(kFrontBytes, length_)));
  if (auto written = write_at(fd_.get(), 0, zeros); !written) return written;
  if (auto synced = sync(); !synced) return synced;
  if (::lseek(fd_.get(), kFrontBytes, SEEK_SET) < 0) return system_error("seek", errno);
  return ok();
}

Status BlockDevice::write(std::span<const std::byte> bytes, const WaitLimits& limits) {
  if (auto begun = begin(); !begun) return begun;
  auto held = bytes.first(std::min(bytes.size(), kFrontBytes - front_.size()));
  front_.insert(front_.end(), held.begin(), held.end());
  written_ += held.size();
  bytes = bytes.subspan(held.size());
  if (auto done = Writer(fd_.get()).write_all(bytes, limits); !done) return done;
  written_ += bytes.size();
  return ok();
}

Status BlockDevice::finish() {
  if (auto begun = begin(); !begun) return begun;
  uint64_t rest = written_ > length_ ? 0 : length_ - written_;
  if (written_ > length_ || (rest > 0 && rest < sizeof(EndMark))) {
    return Error{Errc::Environment,
                 fmt::format("the file of {} bytes and the {} that mark its end do not fit on the "
                             "device of {}",
                             written_, sizeof(EndMark), length_)};
  }
  if (auto kept = keep_others_from_reading_on(); !kept) return kept;
  if (auto synced = sync(); !synced) return synced;
  if (auto written = write_at(fd_.get(), 0, front_); !written) return written;
  if (auto marked = mark_end(); !marked) return marked;
  if (auto synced = sync(); !synced) return synced;
  return fd_.close();
}

Status BlockDevice::keep_others_from_reading_on() {
  uint64_t rest = length_ - written_;
  std::vector<std::byte> zeros(static_cast<size_t>(std::min(kWipedBytes, rest)));
  if (auto wiped = write_at(fd_.get(), written_, zeros); !wiped) return wiped;
  uint32_t magic = 0;
  if (front_.size() < sizeof magic) return ok();
  std::memcpy(&magic, front_.data(), sizeof magic);
  if (le32toh(magic) != kZstdMagic) return ok();
  for (uint64_t at = written_; rest > 0;) {
    uint64_t frame = std::min(rest, kLongestSkippable);
    if (rest - frame > 0 && rest - frame < kShortestSkippable) frame -= kShortestSkippable;
    std::array<uint32_t, 2> header{htole32(kSkippableMagic),
                                   htole32(static_cast<uint32_t>(frame - kSkippableHeaderBytes))};
    if (auto done = write_at(fd_.get(), at, std::as_bytes(std::span(header))); !done) return done;
    at += frame;
    rest -= frame;
  }
  return ok();
}

Status BlockDevice::mark_end() {
  if (written_ == length_) return ok();
  auto mark = make_mark(fd_.get(), written_);
  if (!mark) return mark.error();
  return write_at(fd_.get(), length_ - sizeof(EndMark), std::as_bytes(std::span(&*mark, 1)));
}

Status BlockDevice::sync() const {
  return ::fsync(fd_.get()) == 0 ? ok() : system_error("fsync", errno);
}

std::optional<uint64_t> find_marked_end(int fd, uint64_t length) {
  EndMark found;
  if (length <= sizeof found) return std::nullopt;
  auto bytes = std::as_writable_bytes(std::span(&found, 1));
  if (!read_at(fd, length - sizeof found, bytes)) return std::nullopt;
  uint64_t file_bytes = le64toh(found.file_bytes);
  if (found.magic != kMarkMagic || file_bytes > length - sizeof found) return std::nullopt;
  auto fitting = make_mark(fd, file_bytes);
  if (!fitting || std::memcmp(&*fitting, &found, sizeof found) != 0) return std::nullopt;
  return file_bytes;
}

}  // namespace vmstream
