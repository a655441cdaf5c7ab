// SPDX-License-Identifier: MIT
#include "format/stream/section_body.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>

#include "format/wire.h"

namespace vmstream {
namespace {

void fail_unknown(ByteReader& in, uint64_t word, std::string_view section) {
  if (!in.ok()) return;
  in.fail(Errc::Malformed, in.last_offset(),
          fmt::format("{:#x} is no record of section '{}'", word, section));
}

// Disk data in chunks of 1 MiB. QEMU looks at one flag after the other.
BodyRecord read_block_record(ByteReader& in, SectionType, bool) {
  auto word = in.be<uint64_t>("block record");
  bool last = (word & wire::kBlockEos) != 0;
  if ((word & wire::kBlockDevice) != 0) {
    auto device = in.counted_string("block device name");
    bool named = !device.empty() && std::ranges::all_of(device, [](char c) { return c > ' '; });
    if (in.ok() && !named) {
      in.fail(Errc::Malformed, in.last_offset(), "a block device has a name that no QEMU gives");
    }
    return {.payload_bytes = (word & wire::kBlockZero) ? 0 : wire::kBlockChunkBytes, .last = last};
  }
  if (!last && (word & wire::kBlockProgress) == 0) fail_unknown(in, word, "block");
  return {.last = last};
}

// What a record says besides its end, which may stand in any: QEMU looks for these in this order.
BodyRecord read_bitmap_part(ByteReader& in, uint8_t flags) {
  if (flags & wire::kBitmapStart) {
    in.be<uint32_t>("bitmap granularity");
    in.be<uint8_t>("bitmap flags");
    return {};
  }
  if (flags & wire::kBitmapComplete) return {};
  if (flags & wire::kBitmapBits) {
    in.be<uint64_t>("first sector");
    in.be<uint32_t>("sector count");
    if (flags & wire::kBitmapZeroes) return {};
    return {.payload_bytes = in.be<uint64_t>("bitmap length")};
  }
  if ((flags & wire::kBitmapEos) == 0) fail_unknown(in, flags, "dirty-bitmap");
  return {};
}

BodyRecord read_bitmap_record(ByteReader& in, SectionType, bool) {
  auto flags = in.be<uint8_t>("dirty-bitmap flags");
  if (flags & wire::kBitmapMore) fail_unknown(in, flags, "dirty-bitmap");
  if (flags & wire::kBitmapDeviceName) in.counted_string("node name");
  if (flags & wire::kBitmapName) in.counted_string("bitmap name");
  BodyRecord record = read_bitmap_part(in, flags);
  record.last = (flags & wire::kBitmapEos) != 0;
  uint8_t parts = flags & (wire::kBitmapStart | wire::kBitmapComplete | wire::kBitmapBits);
  bool is_usual = record.last ? flags == wire::kBitmapEos : std::has_single_bit(parts);
  if (!is_usual) record.oddity = "dirty-bitmap flags that no QEMU writes together";
  return record;
}

// The hash table of a POWER guest: a word, then chunks up to an all-zero one.
BodyRecord read_htab_record(ByteReader& in, SectionType section, bool first) {
  if (first) {
    auto word = in.be<uint32_t>("hash table word");
    if (section == SectionType::Start || word == wire::kHtabNone) return {.last = true};
    if (word != 0) fail_unknown(in, word, "spapr/htab");
    return {};
  }
  auto index = in.be<uint32_t>("chunk index");
  auto valid = in.be<uint16_t>("valid entries");
  auto invalid = in.be<uint16_t>("invalid entries");
  return {.payload_bytes = valid * wire::kHtabEntryBytes,
          .last = index == 0 && valid == 0 && invalid == 0};
}

BodyRecord read_stattrib_record(ByteReader& in, SectionType, bool) {
  auto word = in.be<uint64_t>("storage attributes record");
  switch (word & wire::kStattribFlagMask) {
    case wire::kStattribEos:
      return {.last = true};
    case wire::kStattribMore:
      return {.payload_bytes = in.be<uint64_t>("attribute count")};
    case wire::kStattribDone:
    case wire::kStattribError:
      return {};
    default:
      fail_unknown(in, word, "s390-storage_attributes");
      return {};
  }
}

BodyRecord read_vfio_record(ByteReader& in, SectionType, bool) {
  auto tag = in.be<uint64_t>("vfio tag");
  switch (tag) {
    case wire::kVfioEndOfState:
    case wire::kVfioInitDataSent:
      return {.last = true};
    case wire::kVfioConfigState:
      return {.opaque = true};
    case wire::kVfioSetupState:
    case wire::kVfioConfigLoadReady:
      return {};
    case wire::kVfioDataState:
      return {.payload_bytes = in.be<uint64_t>("vfio data length")};
    default:
      fail_unknown(in, tag, "vfio");
      return {};
  }
}

// The backup bitmap of Proxmox: one counted blob in START, nothing behind it.
BodyRecord read_pbs_record(ByteReader& in, SectionType section, bool) {
  if (section != SectionType::Start) return {.last = true};
  return {.payload_bytes = in.be<uint64_t>("pbs-state length"), .last = true};
}

struct Format {
  std::string_view idstr;
  RecordReader reader;
};

constexpr Format kFormats[] = {
    {"block", read_block_record},     {"dirty-bitmap", read_bitmap_record},
    {"spapr/htab", read_htab_record}, {"s390-storage_attributes", read_stattrib_record},
    {"pbs-state", read_pbs_record},
};

}  // namespace

RecordReader find_record_reader(std::string_view idstr) {
  for (const Format& format : kFormats) {
    if (format.idstr == idstr) return format.reader;
  }
  return idstr.ends_with("/vfio") ? read_vfio_record : nullptr;
}

}  // namespace vmstream
