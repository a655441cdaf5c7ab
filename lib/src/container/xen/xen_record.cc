// SPDX-License-Identifier: MIT
#include "container/xen/xen_record.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "base/endian.h"
#include "container/xen/xen_files.h"

namespace vmstream {
namespace {

constexpr size_t kSignatureBytes = 21;
// The first has no length; of the others one toolstack puts a line end and a big-endian length.
constexpr std::array<std::string_view, 3> kSignatures = {
    "QemuDeviceModelRecord", "DeviceModelRecord0002", "RemusDeviceModelState"};
constexpr std::string_view kStream = "QEVM";
constexpr uint64_t kSearchedBytes = 16u << 20;

std::string_view text_of(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

// The next signature from `at` on; the end where there is none.
size_t find_signature(std::string_view text, size_t at) {
  size_t first = text.size();
  for (std::string_view signature : kSignatures) {
    first = std::min(first, std::min(text.find(signature, at), text.size()));
  }
  return first;
}

}  // namespace

std::optional<XenRecord> read_xen_record(std::span<const std::byte> bytes) {
  std::string_view text = text_of(bytes);
  auto signature = std::ranges::find_if(
      kSignatures, [text](std::string_view one) { return text.starts_with(one); });
  if (signature == kSignatures.end()) return std::nullopt;
  auto has_stream = [text](size_t at) { return text.substr(0, at + 4).ends_with(kStream); };
  if (signature == kSignatures.begin()) {
    if (!has_stream(kSignatureBytes)) return std::nullopt;
    return XenRecord{.head_bytes = kSignatureBytes};
  }
  constexpr size_t kPlain = kSignatureBytes + 4;
  constexpr size_t kWithLineEnd = kPlain + 1;
  if (has_stream(kPlain)) return XenRecord{kPlain, read_le32(bytes, kSignatureBytes)};
  if (!has_stream(kWithLineEnd)) return std::nullopt;
  return XenRecord{kWithLineEnd, load_be<uint32_t>(&bytes[kSignatureBytes + 1])};
}

Result<Stretch> find_last_xen_record(ForwardReader& in) {
  if (auto passed = in.skip_to_last(kSearchedBytes); !passed) return passed.error();
  uint64_t front = in.position();
  auto bytes = in.peek(kSearchedBytes);
  if (!bytes) return bytes.error();
  size_t searched = bytes->size();
  std::optional<Stretch> found;
  std::string_view text = text_of(*bytes);
  for (size_t at = find_signature(text, 0); at < text.size(); at = find_signature(text, at + 1)) {
    auto record = read_xen_record(bytes->subspan(at));
    if (!record) continue;
    uint64_t behind = searched - at - record->head_bytes;
    bool reaches_end = record->length == Stretch::kToTheEnd || record->length == behind;
    if (!reaches_end) continue;
    if (found) {
      return Error{.code = Errc::Unsupported,
                   .message = "more than one place looks like the device state of a Xen guest",
                   .file_offset = front + at};
    }
    found = Stretch{front + at + record->head_bytes, behind};
  }
  if (!found) {
    return Error{.code = Errc::Malformed,
                 .message = fmt::format("a Xen file without a record of device state in its last "
                                        "{} bytes",
                                        searched),
                 .file_offset = front};
  }
  if (auto passed = in.skip(found->offset - front); !passed) return passed.error();
  return *found;
}

bool is_xen_record(std::string_view head) {
  return std::ranges::any_of(kSignatures,
                             [head](std::string_view one) { return head.starts_with(one); });
}

Result<FoundContent> find_in_xen_record(ForwardReader& in, const IsStateFile&) {
  auto head = in.peek(kXenRecordHeadBytes);
  if (!head) return head.error();
  auto record = read_xen_record(*head);
  if (!record) return in.malformed("a Xen device model record without a stream");
  if (auto passed = in.skip(record->head_bytes); !passed) return passed.error();
  return FoundContent{{.type = "xen-record", .content_offset = in.position()},
                      {in.position(), record->length}};
}

}  // namespace vmstream
