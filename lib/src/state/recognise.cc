// SPDX-License-Identifier: MIT
#include "state/recognise.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <string_view>

#include <vmstream/codec.h>
#include <vmstream/format.h>
#include "base/byte_reader.h"
#include "container/content.h"

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
constexpr std::string_view kChannel =
    "the stream proper went through the first connection; vmstream-inspect verify --multifd "
    "takes both";

constexpr std::array<Foreign, 4> kForeign{{
    {"\x89LZO\0\r\n\x1a\n"sv, "an lzop file", true, "unpack it with 'lzop -d' first"},
    {"QFI\xfb"sv, "a qcow2 image", true, "load its snapshot with QEMU's -loadvm"},
    {kChannelMagic, "a multifd channel with pages only", true, kChannel},
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

std::vector<std::byte> read_head(RandomSource& file) {
  std::vector<std::byte> head(
      static_cast<size_t>(std::min<uint64_t>(file.length(), kRecogniseBytes)));
  if (!file.read_at(0, head)) head.clear();
  return head;
}

bool is_plain_stream(std::span<const std::byte> head) {
  return text_of(head).starts_with(kMagicText);
}

bool is_page_channel(std::span<const std::byte> head) {
  return text_of(head).starts_with(kChannelMagic);
}

bool is_known_foreign(std::span<const std::byte> head) {
  return find_foreign(head) != nullptr;
}

bool begins_state_file(std::span<const std::byte> head) {
  return is_plain_stream(head) || recognise_coding(head) || recognise_openpgp(head) ||
         recognise_container(head);
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
  auto name = in.rest().first(std::min<size_t>(length, in.remaining()));
  return std::ranges::all_of(
      name, [](std::byte byte) { return byte >= std::byte{0x20} && byte < std::byte{0x7f}; });
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
  return Error{Errc::Malformed,
               fmt::format("{}not a state file: begins with {:02x}{}, want QEVM, gzip, bzip2, "
                           "zstd, xz or lz4",
                           place, fmt::join(front, " "), name)};
}

}  // namespace vmstream
