// SPDX-License-Identifier: MIT
#include "state/recognise.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <string_view>

#include <vmstream/format.h>
#include "base/byte_reader.h"
#include "format/wire.h"

namespace vmstream {
namespace {

using namespace std::string_view_literals;

constexpr std::string_view kMagicText = "QEVM";

// Files that people hold a state file for, or that hold one in a way this library cannot read.
struct Foreign {
  std::string_view magic;
  std::string_view name;
  bool may_hold_state;
  std::string_view hint;
};

constexpr std::string_view kChannelMagic = "\x11\x22\x33\x44\0\0\0\1"sv;
constexpr std::string_view kChannelHint =
    "the stream proper went through the first connection: give both with --multifd, or a folder";

// What 'virsh dump --memory-only' and dump-guest-memory write, among others.
constexpr std::string_view kMemoryOnly =
    "a guest's memory without its devices cannot be restored; crash, gdb and volatility read it";
constexpr std::string_view kWindows =
    "a guest's memory without its devices cannot be restored; WinDbg and volatility read it";

constexpr std::array<Foreign, 9> kForeign{{
    {"QFI\xfb"sv, "a qcow2 image", true,
     "a snapshot is read by position: put the image into a file, and read FILE#SNAPSHOT"},
    {kChannelMagic, "a multifd channel with pages only", true, kChannelHint},
    {"\x7f\x45\x4c\x46"sv, "an ELF file", false, kMemoryOnly},
    {"makedumpfile\0\0\0\0"sv, "a kdump file, flattened", false, kMemoryOnly},
    {"KDUMP   "sv, "a kdump file", false, kMemoryOnly},
    {"PAGEDU64"sv, "a Windows memory dump", false, kWindows},
    {"PAGEDUMP"sv, "a Windows memory dump", false, kWindows},
    {"EMiL"sv, "a LiME memory image", false, kMemoryOnly},
    {"AVML"sv, "an AVML memory image", false, kMemoryOnly},
}};

std::string_view text_of(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

bool is_printable(std::string_view text) {
  return std::ranges::all_of(text, [](char letter) { return letter >= 0x20 && letter < 0x7f; });
}

const Foreign* find_foreign(std::span<const std::byte> head) {
  auto found = std::ranges::find_if(kForeign, [text = text_of(head)](const Foreign& foreign) {
    return text.starts_with(foreign.magic);
  });
  return found == kForeign.end() ? nullptr : &*found;
}

}  // namespace

std::vector<std::byte> read_head(RandomSource& file) {
  std::vector<std::byte> head(
      static_cast<size_t>(std::min<uint64_t>(file.length(), kRecogniseBytes)));
  if (!file.read_at(0, head)) head.clear();
  return head;
}

bool is_plain_stream(std::span<const std::byte> head) {
  return text_of(head).starts_with(kMagicText);
}

const char* channel_type(std::span<const std::byte> head) {
  if (text_of(head).starts_with(kChannelMagic)) return kPageChannel;
  ByteReader in(head);
  uint64_t word = in.be<uint64_t>("page record");
  uint64_t flags = word & wire::kRamFlagMask;
  if (in.ok() && word == wire::kRamEos) return in.remaining() == 0 ? kPreemptChannel : nullptr;
  if (flags != wire::kRamPage && flags != wire::kRamZero) return nullptr;
  std::string_view block = in.counted_string("name");
  return in.ok() && !block.empty() && is_printable(block) ? kPreemptChannel : nullptr;
}

bool is_known_foreign(std::span<const std::byte> head) {
  return find_foreign(head) != nullptr;
}

Wrapping recognise_wrapping(std::span<const std::byte> head) {
  if (is_plain_stream(head)) return {};
  if (auto coding = recognise_coding(head)) return {.coding = coding};
  if (auto container = recognise_container(head)) return {.container = container};
  return {.openpgp = recognise_openpgp(head)};
}

bool begins_state_file(std::span<const std::byte> head) {
  return is_plain_stream(head) || recognise_wrapping(head);
}

bool begins_as_something_known(std::span<const std::byte> head) {
  return begins_state_file(head) || is_known_foreign(head);
}

bool looks_like_stream(std::span<const std::byte> bytes) {
  constexpr uint32_t kVersion = 3;
  constexpr uint32_t kLongestName = 255;
  if (!is_plain_stream(bytes)) return false;
  ByteReader in(bytes.subspan(kMagicText.size()));
  bool known_version = in.be<uint32_t>("version") == kVersion;
  auto type = static_cast<SectionType>(in.be<uint8_t>("type"));
  if (!in.ok() || !known_version) return false;
  uint32_t length = 0;
  if (type == SectionType::Configuration) {
    length = in.be<uint32_t>("length");
  } else if (type == SectionType::Start || type == SectionType::Full) {
    in.be<uint32_t>("section id");
    length = in.be<uint8_t>("length");
  }
  if (length == 0 || length > kLongestName) return false;
  return is_printable(text_of(in.rest()).substr(0, length));
}

Result<std::optional<StreamWithin>> find_stream_within(ByteSource& source,
                                                       std::vector<std::byte> head) {
  constexpr size_t kAlignment = 512;  // a sector; offsets are chosen for direct access
  constexpr uint64_t kFarthest = 16u << 20;
  constexpr size_t kPiece = 64 * 1024;
  std::vector<std::byte> piece = std::move(head);
  for (uint64_t offset = 0; offset < kFarthest;) {
    size_t filled = piece.size();
    piece.resize(kPiece + kAlignment);
    auto count = read_fully(source, std::span(piece).subspan(filled));
    if (!count) return count.error();
    piece.resize(filled + *count);
    bool last = piece.size() < kPiece + kAlignment;
    for (size_t at = 0; at < std::min(piece.size(), kPiece); at += kAlignment) {
      if (!looks_like_stream(std::span(piece).subspan(at))) continue;
      piece.erase(piece.begin(), piece.begin() + static_cast<ptrdiff_t>(at));
      return std::optional(StreamWithin{offset + at, std::move(piece)});
    }
    if (last) break;
    piece.erase(piece.begin(), piece.begin() + kPiece);
    offset += kPiece;
  }
  return std::optional<StreamWithin>();
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
  if (head.size() < kMagicText.size()) {
    return Error{Errc::Truncated, fmt::format("{}ends after {} bytes ({:02x})", place, head.size(),
                                              fmt::join(front, " "))};
  }
  std::string name = foreign ? fmt::format(" ({})", foreign->name) : "";
  return Error{.code = Errc::Malformed,
               .message = fmt::format("{}not a state file: begins with {:02x}{}, want QEVM, gzip, "
                                      "bzip2, zstd, xz, lz4, lzop or OpenPGP, or a container: "
                                      "libvirt save image, qcow2, tar, VMA, Xen",
                                      place, fmt::join(front, " "), name),
               .hint = std::string(foreign ? foreign->hint : "")};
}

}  // namespace vmstream
