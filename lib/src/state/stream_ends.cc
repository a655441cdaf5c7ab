// SPDX-License-Identifier: MIT
// Device sections have no lengths, but the description at the very end has: it leads backwards
// through them. A stream whose middle is left out is parsed like any other, so everything that is
// read here is read again, and judged, by the parser; here only the places are found.
#include <vmstream/stream_ends.h>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <span>
#include <string>
#include <vector>

#include <vmstream/byte_reader.h>
#include <vmstream/parser.h>
#include <vmstream/vmdesc.h>
#include "base/unique_fd.h"

namespace vmstream {
namespace {

constexpr uint64_t kHeaderBytes = 8;
constexpr uint64_t kFooterBytes = 5;
constexpr uint64_t kVmdescHeadBytes = 5;
constexpr uint64_t kEndMarkBytes = 8;
constexpr uint64_t kEndMark = 0x10;  // of a slice of ram
// The block list of a guest with thousands of blocks stays below; page data in the first section
// (mapped-ram, QEMU before 1.2) does not, and such files are read as a whole.
constexpr uint64_t kMostHeadBytes = 1u << 20;
constexpr uint64_t kFirstTailBytes = 1u << 20;
constexpr uint64_t kMostDescriptionBytes = 64u << 20;
constexpr uint64_t kMostDeviceBytes = 32u << 20;

using Bytes = std::vector<std::byte>;

// Parts of a regular file, by position. Anything else has no size.
class FileView {
 public:
  explicit FileView(const std::string& path) {
    struct stat status {};
    // Opening a FIFO would wait for its writer, or take bytes from another reader.
    if (::stat(path.c_str(), &status) != 0 || !S_ISREG(status.st_mode)) return;
    fd_.reset(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    if (fd_.is_open()) size_ = static_cast<uint64_t>(status.st_size);
  }

  uint64_t size() const { return size_; }

  /// Empty unless all of it is there.
  Bytes read(uint64_t offset, uint64_t count) const {
    if (offset > size_ || count > size_ - offset) return {};
    Bytes bytes(static_cast<size_t>(count));
    size_t done = 0;
    while (done < bytes.size()) {
      ssize_t got = ::pread(fd_.get(), bytes.data() + done, bytes.size() - done,
                            static_cast<off_t>(offset + done));
      if (got < 0 && errno == EINTR) continue;
      if (got <= 0) return {};
      done += static_cast<size_t>(got);
    }
    return bytes;
  }

 private:
  UniqueFd fd_;
  uint64_t size_ = 0;
};

std::string_view as_text(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

// The offset of the record within `tail`, which ends the file: EOF, the type byte, a length that
// fits exactly, and the brace that opens the text. No text holds the type byte.
std::optional<size_t> find_vmdesc(std::span<const std::byte> tail) {
  for (size_t at = tail.size(); at-- > 1;) {
    if (tail[at] != std::byte{static_cast<uint8_t>(SectionType::Vmdescription)}) continue;
    ByteReader in(tail.subspan(at + 1));
    uint32_t length = in.be<uint32_t>("length");
    if (in.ok() && length > 0 && length == in.remaining() && in.rest().front() == std::byte{'{'} &&
        tail[at - 1] == std::byte{static_cast<uint8_t>(SectionType::Eof)}) {
      return at;
    }
  }
  return std::nullopt;
}

struct Description {
  uint64_t offset = 0;  // of the type byte
  Vmdesc vmdesc;
};

std::optional<Description> read_description(const FileView& file) {
  if (auto last = file.read(file.size() - 1, 1); last.empty() || last[0] != std::byte{'}'}) {
    return std::nullopt;
  }
  for (uint64_t wanted = kFirstTailBytes;; wanted *= 8) {
    uint64_t count = std::min(wanted, file.size());
    Bytes tail = file.read(file.size() - count, count);
    if (auto at = find_vmdesc(tail)) {
      auto vmdesc = Vmdesc::parse(as_text(std::span(tail).subspan(*at + kVmdescHeadBytes)));
      if (!vmdesc) return std::nullopt;
      return Description{file.size() - count + *at, std::move(*vmdesc)};
    }
    if (count == file.size() || wanted >= kMostDescriptionBytes) return std::nullopt;
  }
}

// Whether a slice of an iterable section ends at `end`: by its footer or, in streams without
// footers, by ram's end mark.
bool slice_ends_at(const FileView& file, uint64_t end, bool footers) {
  uint64_t length = footers ? kFooterBytes : kEndMarkBytes;
  if (end < length) return false;
  Bytes bytes = file.read(end - length, length);
  if (bytes.empty()) return false;
  if (footers) return bytes[0] == std::byte{static_cast<uint8_t>(SectionType::Footer)};
  return ByteReader(bytes).be<uint64_t>("end mark") == kEndMark;
}

// The offset of the section that ends at `end` and is what `device` describes.
std::optional<uint64_t> find_device(const FileView& file, const VmdescDevice& device, uint64_t end,
                                    bool footers) {
  uint64_t head = 1 + 4 + 1 + device.idstr.size() + 4 + 4;
  uint64_t body = device.body_length();
  uint64_t foot = footers ? kFooterBytes : 0;
  if (body > end || head + foot > end - body) return std::nullopt;
  uint64_t start = end - body - head - foot;
  Bytes head_bytes = file.read(start, head);
  ByteReader in(head_bytes);
  bool is_full = in.be<uint8_t>("type") == static_cast<uint8_t>(SectionType::Full);
  uint32_t section_id = in.be<uint32_t>("section id");
  bool is_named = in.counted_string("idstr") == device.idstr;
  bool is_instance = in.be<uint32_t>("instance id") == device.instance_id;
  if (!in.ok()) return std::nullopt;
  if (!is_full || !is_named || !is_instance) return std::nullopt;
  if (!footers) return start;
  Bytes foot_bytes = file.read(end - foot, foot);
  ByteReader behind(foot_bytes);
  bool is_footer = behind.be<uint8_t>("type") == static_cast<uint8_t>(SectionType::Footer);
  if (!is_footer || behind.be<uint32_t>("section id") != section_id) return std::nullopt;
  return start;
}

std::optional<uint64_t> walk_back(const FileView& file, const Description& description,
                                  bool footers) {
  const auto& devices = description.vmdesc.devices();
  uint64_t end = description.offset - 1;  // EOF
  for (auto device = devices.rbegin(); device != devices.rend(); ++device) {
    auto start = find_device(file, *device, end, footers);
    if (!start) return std::nullopt;
    end = *start;
  }
  if (devices.empty() || !slice_ends_at(file, end, footers)) return std::nullopt;
  return end;
}

// Stops at the first section that is not a START.
class HeadVisitor final : public StreamVisitor {
 public:
  Status on_section(const SectionHeader& header) override {
    if (header.type == SectionType::Start) return ok();
    if (header.type != SectionType::Full) head_length = header.offset;
    return Error{Errc::Interrupted, "the head has ended"};
  }
  std::optional<uint64_t> head_length;
};

std::optional<uint64_t> measure_head(const FileView& file) {
  constexpr uint64_t kPiece = 16384;
  HeadVisitor visitor;
  StreamParser parser(visitor);
  for (uint64_t offset = 0; offset < kMostHeadBytes && offset < file.size(); offset += kPiece) {
    Bytes piece = file.read(offset, std::min(kPiece, file.size() - offset));
    if (piece.empty() || !parser.feed(piece)) break;
  }
  return visitor.head_length;
}

}  // namespace

std::optional<StreamEnds> read_stream_ends(const std::string& path) {
  FileView file(path);
  Bytes magic = file.read(0, kHeaderBytes);
  if (magic.empty() || ByteReader(magic).be<uint32_t>("magic") != kStreamMagic) return std::nullopt;
  auto description = read_description(file);
  if (!description) return std::nullopt;
  auto tail_offset = walk_back(file, *description, true);
  if (!tail_offset) tail_offset = walk_back(file, *description, false);
  if (!tail_offset || description->offset - *tail_offset > kMostDeviceBytes) return std::nullopt;
  auto head_length = measure_head(file);
  if (!head_length || *head_length > *tail_offset) return std::nullopt;
  StreamEnds ends{.head = file.read(0, *head_length),
                  .tail_offset = *tail_offset,
                  .tail = file.read(*tail_offset, file.size() - *tail_offset)};
  if (ends.head.empty() || ends.tail.empty()) return std::nullopt;
  return ends;
}

}  // namespace vmstream
