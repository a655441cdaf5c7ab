// SPDX-License-Identifier: MIT
#include "guest/restore/hidden_disk_section.h"

#include <algorithm>
#include <string_view>

#include <vmstream/format.h>

namespace vmstream {
namespace {

// Type, section id (32 bits), length of the name, the name, which ends at a NUL to QEMU.
constexpr std::string_view kName = "block";
constexpr size_t kNameAt = 6;
constexpr size_t kLongestHeader = kNameAt + kName.size() + 1;

bool is_header(std::string_view bytes) {
  auto type = static_cast<unsigned char>(bytes[0]);
  auto length = static_cast<unsigned char>(bytes[kNameAt - 1]);
  if (type != static_cast<unsigned char>(SectionType::Start) &&
      type != static_cast<unsigned char>(SectionType::Full)) {
    return false;
  }
  if (length == kName.size()) return true;
  size_t behind = kNameAt + kName.size();
  return length > kName.size() && behind < bytes.size() && bytes[behind] == '\0';
}

std::string_view as_text(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

}  // namespace

// `bytes` end at end_.
Status HiddenDiskSection::search(std::string_view bytes, std::optional<uint64_t> seen) const {
  for (size_t at = bytes.find(kName); at != std::string_view::npos;
       at = bytes.find(kName, at + 1)) {
    if (at < kNameAt || !is_header(bytes.substr(at - kNameAt))) continue;
    uint64_t offset = end_ - bytes.size() + at - kNameAt;
    if (offset == seen) continue;
    return Error{.code = Errc::Refused,
                 .message =
                     "what stands here could be contents of disks to QEMU, which a restore "
                     "would write",
                 .offset = offset,
                 .hint = "--write-disks lets it overwrite the disks of the QEMU it goes to"};
  }
  return ok();
}

Status HiddenDiskSection::look(uint64_t offset, std::span<const std::byte> bytes,
                               std::optional<uint64_t> seen) {
  if (offset != end_) tail_.clear();
  std::string_view text = as_text(bytes);
  std::string_view front = text.substr(0, kLongestHeader);
  end_ = offset + front.size();
  if (auto clean = search(tail_.append(front), seen); !clean) return clean;
  end_ = offset + text.size();
  if (auto clean = search(text, seen); !clean) return clean;
  if (text.size() > front.size()) tail_ = text.substr(text.size() - kLongestHeader);
  if (tail_.size() > kLongestHeader) tail_.erase(0, tail_.size() - kLongestHeader);
  return ok();
}

}  // namespace vmstream
