// SPDX-License-Identifier: MIT
#include "state/recognise.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <string_view>

namespace vmstream {
namespace {

using namespace std::string_view_literals;

constexpr std::string_view kStreamMagic = "QEVM";

// Files that people hold a state file for, or that hold one in a way this library cannot read.
struct Foreign {
  std::string_view magic;
  std::string_view name;
  bool may_hold_state;
  std::string_view hint;
};

constexpr std::string_view kVirsh = "bring it back with 'virsh restore'";

constexpr std::array<Foreign, 8> kForeign{{
    {"\xfd\x37zXZ\0"sv, "an xz file", true, "unpack it with 'xz -d' first"},
    {"\x04\x22\x4d\x18"sv, "an lz4 file", true, "unpack it with 'lz4 -d' first"},
    {"\x02\x21\x4c\x18"sv, "an lz4 file", true, "unpack it with 'lz4 -d' first"},
    {"\x89LZO\0\r\n\x1a\n"sv, "an lzop file", true, "unpack it with 'lzop -d' first"},
    {"LibvirtQemudSave"sv, "a libvirt save image", true, kVirsh},
    {"LibvirtQemudPart"sv, "an unfinished libvirt save image", true, kVirsh},
    {"QFI\xfb"sv, "a qcow2 image", true, "load its snapshot with QEMU's -loadvm"},
    {"\x7f\x45\x4c\x46"sv, "an ELF file", false, ""},
}};

std::string_view text_of(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

const Foreign* find_foreign(std::span<const std::byte> head) {
  auto found = std::ranges::find_if(kForeign, [text = text_of(head)](const Foreign& foreign) {
    return text.starts_with(foreign.magic);
  });
  return found == kForeign.end() ? nullptr : &*found;
}

}  // namespace

bool is_plain_stream(std::span<const std::byte> head) {
  return text_of(head).starts_with(kStreamMagic);
}

Error explain_unrecognised(std::span<const std::byte> head, std::string_view place) {
  if (head.empty()) {
    if (place.empty()) return Error{Errc::Truncated, "the file is empty"};
    return Error{Errc::Truncated, fmt::format("{}nothing", place)};
  }
  const Foreign* foreign = find_foreign(head);
  if (foreign && foreign->may_hold_state) {
    return Error{.code = Errc::Unsupported,
                 .message = fmt::format("{}{}, which is not read", place, foreign->name),
                 .hint = std::string(foreign->hint)};
  }
  constexpr size_t kShownBytes = 4;
  auto front = head.first(std::min(head.size(), kShownBytes));
  if (head.size() < kStreamMagic.size()) {
    return Error{Errc::Truncated, fmt::format("{}ends after {} bytes ({:02x})", place, head.size(),
                                              fmt::join(front, " "))};
  }
  std::string name = foreign ? fmt::format(" ({})", foreign->name) : "";
  return Error{Errc::Malformed,
               fmt::format("{}not a state file: begins with {:02x}{}, want QEVM, gzip, bzip2 or "
                           "zstd",
                           place, fmt::join(front, " "), name)};
}

}  // namespace vmstream
