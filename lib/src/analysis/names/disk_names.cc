// SPDX-License-Identifier: MIT
#include "analysis/names/disk_names.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "analysis/names/flag_names.h"
#include "base/byte_reader.h"
#include "format/wire.h"

namespace vmstream::analysis {
namespace {

constexpr std::array kFlags{
    FlagName{wire::kBlockDevice, "device"},
    FlagName{wire::kBlockEos, "eos"},
    FlagName{wire::kBlockProgress, "progress"},
    FlagName{wire::kBlockZero, "zero"},
};
constexpr size_t kWordBytes = 8;  // sector << 9 | flags
constexpr int kSectorShift = 9;

}  // namespace

void DiskNames::name_piece(std::span<const std::byte> bytes) {
  if (chunk_left_ > 0 || bytes.size() < kWordBytes) {
    chunk_left_ -= std::min<uint64_t>(chunk_left_, bytes.size());
    out_.piece(bytes, ByteKind::Page, "disk data");
    return;
  }
  ByteReader in(bytes);
  auto word = in.be<uint64_t>("word");
  uint64_t flags = word & wire::kBlockFlagMask;
  uint64_t sector = word >> kSectorShift;
  out_.number(word, kWordBytes,
              fmt::format("flags {:#04x}: {}{}", flags, flag_names(kFlags, flags),
                          sector ? fmt::format(", sector {}", sector) : ""));
  if (bytes.size() == kWordBytes) return;
  out_.counted("disk", in.counted_string("disk"));
  chunk_left_ = flags & wire::kBlockZero ? 0 : wire::kBlockChunkBytes;
}

}  // namespace vmstream::analysis
