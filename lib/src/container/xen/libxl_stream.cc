// SPDX-License-Identifier: MIT
// The records of libxl, and those of libxc between them.
#include <fmt/format.h>

#include <array>

#include "base/endian.h"
#include "container/xen/xen_files.h"

namespace vmstream {
namespace {

constexpr std::string_view kLibxl = "LibxlFmt";
constexpr uint32_t kLibxlVersion = 2;
constexpr uint32_t kBigEndian = 1;  // of the options of either
constexpr uint32_t kLibxcMark = 0x58454e46;
constexpr uint32_t kRecordHeadBytes = 8;
// Each takes its time; a real one of these holds 4 MiB of memory.
constexpr uint32_t kMostRecords = 1u << 22;

enum RecordType : uint32_t { kEnd = 0, kLibxcContext = 1, kEmulatorContext = 3 };

struct Record {
  uint32_t type = 0;
  uint32_t length = 0;
  uint64_t padded() const { return (uint64_t{length} + 7) / 8 * 8; }
};

// Goes over records of either kind.
class Records {
 public:
  Records(ForwardReader& in, bool big_endian, std::string_view what)
      : in_(in), big_endian_(big_endian), what_(what) {}

  Result<Record> next() {
    std::array<std::byte, kRecordHeadBytes> head;
    if (auto read = in_.read_all(head, what_); !read) return read.error();
    if (++count_ > kMostRecords) {
      return in_.malformed(fmt::format("more than {} records in a Xen file", kMostRecords));
    }
    return big_endian_ ? Record{load_be<uint32_t>(&head[0]), load_be<uint32_t>(&head[4])}
                       : Record{read_le32(head, 0), read_le32(head, 4)};
  }

 private:
  ForwardReader& in_;
  bool big_endian_;
  std::string_view what_;
  uint32_t count_ = 0;
};

// The memory: everything up to the last record.
Status pass_libxc(ForwardReader& in) {
  uint64_t at = in.position();
  std::array<std::byte, 40> header;
  if (auto read = in.read_all(header, "the header of Xen's memory"); !read) return read;
  if (load_be<uint64_t>(&header[0]) != UINT64_MAX || load_be<uint32_t>(&header[8]) != kLibxcMark) {
    return Error{.code = Errc::Malformed,
                 .message = fmt::format("Xen's memory begins with {:#018x} {:#010x}, want {:#018x} "
                                        "{:#010x}",
                                        load_be<uint64_t>(&header[0]),
                                        load_be<uint32_t>(&header[8]), UINT64_MAX, kLibxcMark),
                 .file_offset = at};
  }
  Records records(in, (load_be<uint16_t>(&header[16]) & kBigEndian) != 0, "a record of memory");
  for (;;) {
    auto record = records.next();
    if (!record) return record.error();
    if (record->type == kEnd) return ok();
    if (auto passed = in.skip(record->padded()); !passed) return passed;
  }
}

}  // namespace

bool is_libxl(std::string_view head) {
  return head.starts_with(kLibxl);
}

Result<FoundContent> find_in_libxl(ForwardReader& in, const IsStateFile&) {
  constexpr uint32_t kEmulatorHeadBytes = 8;
  std::array<std::byte, 16> header;
  if (auto read = in.read_all(header, "the header of a libxl stream"); !read) return read.error();
  if (auto version = load_be<uint32_t>(&header[8]); version != kLibxlVersion) {
    return Error{
        .code = Errc::Unsupported,
        .message = fmt::format("a libxl stream of version {}, {} is known", version, kLibxlVersion),
        .file_offset = 8};
  }
  Records records(in, (load_be<uint32_t>(&header[12]) & kBigEndian) != 0, "a record of libxl");
  for (;;) {
    uint64_t at = in.position();
    auto record = records.next();
    if (!record) return record.error();
    if (record->type == kEnd) {
      return Error{.code = Errc::Unsupported,
                   .message =
                       "a libxl stream without the state of an emulator: a guest without "
                       "emulated devices has no QEMU",
                   .file_offset = at};
    }
    bool is_emulator = record->type == kEmulatorContext;
    if (is_emulator && record->length < kEmulatorHeadBytes) {
      return in.malformed(fmt::format("an emulator's record of {} bytes, want {} at least",
                                      record->length, kEmulatorHeadBytes));
    }
    auto passed = in.skip(is_emulator ? kEmulatorHeadBytes : record->padded());
    if (passed && record->type == kLibxcContext) passed = pass_libxc(in);
    if (!passed) return passed.error();
    if (!is_emulator) continue;
    return FoundContent{{.type = "libxl", .content_offset = in.position()},
                        {in.position(), record->length - kEmulatorHeadBytes}};
  }
}

}  // namespace vmstream
