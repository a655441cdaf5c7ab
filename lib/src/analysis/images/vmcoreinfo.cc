// SPDX-License-Identifier: MIT
#include "analysis/images/vmcoreinfo.h"

#include <algorithm>
#include <charconv>
#include <cstring>

#include "analysis/images/memory_pieces.h"
#include "base/endian.h"

namespace vmstream {
namespace {

constexpr std::string_view kName{"VMCOREINFO\0\0", 12};
constexpr std::string_view kFirstLine = "OSRELEASE=";
constexpr size_t kNameBytes = 11;
constexpr size_t kHead = 12 + kName.size();
constexpr uint32_t kMostBytes = 1u << 20;
constexpr size_t kStep = 4096;

uint32_t load32(std::span<const std::byte> bytes, size_t at, bool is_big) {
  return is_big ? load_be<uint32_t>(&bytes[at]) : read_le32(bytes, at);
}

bool has_text(std::span<const std::byte> bytes, std::string_view text) {
  return bytes.size() >= text.size() && std::memcmp(bytes.data(), text.data(), text.size()) == 0;
}

// Bytes of the description; empty where no such note begins here.
std::optional<uint32_t> description_bytes(std::span<const std::byte> head, bool is_big) {
  if (head.size() < kHead + kFirstLine.size()) return std::nullopt;
  uint32_t length = load32(head, 4, is_big);
  bool is_note = load32(head, 0, is_big) == kNameBytes && load32(head, 8, is_big) == 0 &&
                 has_text(head.subspan(12), kName) && has_text(head.subspan(kHead), kFirstLine);
  if (!is_note || length > kMostBytes) return std::nullopt;
  return length;
}

}  // namespace

std::string_view VmcoreInfo::find(std::string_view key) const {
  std::string_view rest = text;
  while (!rest.empty()) {
    auto line = rest.substr(0, rest.find('\n'));
    bool is_it = line.size() > key.size() && line.starts_with(key) && line[key.size()] == '=';
    if (is_it) return line.substr(key.size() + 1);
    rest.remove_prefix(std::min(line.size() + 1, rest.size()));
  }
  return {};
}

std::optional<uint64_t> VmcoreInfo::number(std::string_view key, int base) const {
  auto digits = find(key);
  bool is_negative = base == 10 && digits.starts_with('-');
  if (is_negative) digits.remove_prefix(1);
  if (base == 16 && digits.starts_with("0x")) digits.remove_prefix(2);
  uint64_t value = 0;
  const char* behind = digits.data() + digits.size();
  auto [end, failure] = std::from_chars(digits.data(), behind, value, base);
  if (digits.empty() || failure != std::errc{} || end != behind) return std::nullopt;
  return is_negative ? ~value + 1 : value;
}

Result<std::optional<VmcoreInfo>> read_vmcoreinfo(PhysicalMemory& memory, uint64_t address,
                                                  bool is_big) {
  std::vector<std::byte> head(kHead + kFirstLine.size());
  if (address > UINT64_MAX - kMostBytes - kHead) return std::optional<VmcoreInfo>();
  auto read = memory.read(address, head);
  if (!read) return read.error();
  auto length = description_bytes(head, is_big);
  if (!length) return std::optional<VmcoreInfo>();
  VmcoreInfo info{std::string(*length, '\0')};
  auto text = memory.read(address + kHead, std::as_writable_bytes(std::span(info.text)));
  if (!text) return text.error();
  return std::optional(std::move(info));
}

Result<std::optional<VmcoreInfo>> find_vmcoreinfo(StateFile& file, const PhysicalMap& map,
                                                  const MemoryImageOptions& options, bool is_big) {
  auto reader = PieceReader::open(file, map);
  if (!reader) return reader.error();
  if (options.vmcoreinfo_address) {
    auto info = read_vmcoreinfo(*(*reader)->memory, *options.vmcoreinfo_address, is_big);
    if (!info || *info) return info;
  }
  std::optional<uint64_t> found;
  auto search = [is_big](const MemoryPiece& piece,
                         PieceReader&) -> Result<std::optional<uint64_t>> {
    for (size_t at = 0; at < piece.length; at += kStep) {
      if (description_bytes(piece.bytes.view().subspan(at), is_big)) {
        return std::optional(piece.address + at);
      }
    }
    return std::optional<uint64_t>();
  };
  auto take = [&found](std::optional<uint64_t> address) -> Status {
    if (!found) found = address;
    return ok();
  };
  auto quiet = options;
  quiet.on_progress = {};
  auto searched = for_each_piece<std::optional<uint64_t>>(file, map, image_stretches(map, false),
                                                          quiet, search, take);
  if (!searched) return searched.error();
  if (!found) return std::optional<VmcoreInfo>();
  return read_vmcoreinfo(*(*reader)->memory, *found, is_big);
}

std::optional<KernelText> find_kernel_text(const VmcoreInfo& info, std::string_view machine) {
  constexpr uint64_t kX86Base = 0xffffffff80000000;
  auto text = info.number("SYMBOL(_stext)", 16);
  if (!text) return std::nullopt;
  if (machine == "x86_64") {
    auto base = info.number("NUMBER(phys_base)", 10);
    if (!base) return std::nullopt;
    return KernelText{*text, *text - kX86Base + *base};
  }
  auto offset = info.number("NUMBER(kimage_voffset)", 16);
  if (machine != "aarch64" || !offset) return std::nullopt;
  return KernelText{*text, *text - *offset};
}

}  // namespace vmstream
