// SPDX-License-Identifier: MIT
#include "container/qcow2/cluster_map.h"

#include <algorithm>

#include "base/endian.h"
#include "container/qcow2/in_image.h"

namespace vmstream {
namespace {

constexpr uint64_t kMostL1Entries = (32u << 20) / 8;  // a limit of QEMU's own

// Of an entry in an L1 or L2 table.
constexpr uint64_t kOffsetMask = 0x00fffffffffffe00;
constexpr uint64_t kPacked = uint64_t{1} << 62;
constexpr uint64_t kReadsAsZeros = 1;  // without extended entries

constexpr uint64_t kPartsOfCluster = 32;

bool continues(const ClusterRun& first, const ClusterRun& next) {
  if (first.kind != next.kind) return false;
  return first.kind == ClusterRun::Kind::Zeros || first.place + first.length == next.place;
}

}  // namespace

PackedCluster packed_cluster(const Qcow2Header& header, uint64_t entry) {
  constexpr uint64_t kSector = 512;
  unsigned offset_bits = 62 - (header.cluster_bits - 8);
  uint64_t offset = entry & ((uint64_t{1} << offset_bits) - 1);
  uint64_t sectors = ((entry & (kPacked - 1)) >> offset_bits) + 1;
  return {offset, sectors * kSector - offset % kSector};
}

Result<uint64_t> TableWindow::entry(uint64_t file_offset) {
  constexpr uint64_t kBytes = 4096;
  constexpr uint64_t kEntryBytes = 8;
  bool is_at_hand = file_offset >= begin_ && file_offset - begin_ < bytes_.size();
  if (!is_at_hand) {
    uint64_t begin = file_offset / kBytes * kBytes;
    uint64_t end = file_.length() / kEntryBytes * kEntryBytes;
    if (file_offset >= end) {
      return damage(Errc::Truncated, file_offset, "a table reaches past the end of the file, {:#x}",
                    file_.length());
    }
    bytes_.resize(static_cast<size_t>(std::min(kBytes, end - begin)));
    begin_ = begin;
    if (auto got = file_.read_at(begin, bytes_); !got) {
      bytes_.clear();
      return got.error();
    }
  }
  return load_be<uint64_t>(bytes_.data() + (file_offset - begin_));
}

ClusterMap::ClusterMap(RandomSource& file, const Qcow2Header& header, const Qcow2Snapshot& snapshot)
    : header_(header),
      l1_offset_(snapshot.l1_offset),
      l1_entries_(snapshot.l1_entries),
      file_bytes_(file.length()),
      l1_(file),
      l2_(file) {}

Status ClusterMap::check() const {
  uint64_t place = header_.snapshots_offset;
  if (l1_entries_ > kMostL1Entries) {
    return damage(Errc::Malformed, place, "a snapshot's L1 table has {} entries, want {} at most",
                  l1_entries_, kMostL1Entries);
  }
  if (l1_offset_ % header_.cluster_bytes() != 0) {
    return damage(Errc::Malformed, place,
                  "a snapshot's L1 table is at {:#x}, want a multiple of {:#x}", l1_offset_,
                  header_.cluster_bytes());
  }
  uint64_t bytes = l1_entries_ * 8;
  if (l1_offset_ <= file_bytes_ && bytes <= file_bytes_ - l1_offset_) return ok();
  return damage(Errc::Truncated, place,
                "a snapshot's L1 table of {} bytes is at {:#x}, the file ends at {:#x}", bytes,
                l1_offset_, file_bytes_);
}

Result<ClusterRun> ClusterMap::find(uint64_t address, uint64_t wanted) {
  auto first = find_one(address);
  if (!first || first->kind == ClusterRun::Kind::Packed) return first;
  while (first->length < wanted && address + first->length < end()) {
    auto next = find_one(address + first->length);
    if (!next || !continues(*first, *next)) break;  // an error is for who reads on
    first->length += next->length;
  }
  return first;
}

Result<ClusterRun> ClusterMap::find_one(uint64_t address) {
  uint64_t l1_place = l1_offset_ + address / header_.table_covers() * 8;
  auto l1 = l1_.entry(l1_place);
  if (!l1) return l1.error();
  uint64_t table = *l1 & kOffsetMask;
  if (table == 0) {
    return ClusterRun{.length = header_.table_covers() - address % header_.table_covers()};
  }
  if (table % header_.cluster_bytes() != 0) {
    return damage(Errc::Malformed, l1_place, "an L2 table is at {:#x}, want a multiple of {:#x}",
                  table, header_.cluster_bytes());
  }
  uint64_t number = address / header_.cluster_bytes() % header_.table_entries();
  uint64_t l2_place = table + number * header_.entry_bytes();
  auto entry = l2_.entry(l2_place);
  if (!entry) return entry.error();
  uint64_t within = address % header_.cluster_bytes();
  uint64_t left = header_.cluster_bytes() - within;
  if ((*entry & kPacked) != 0) return ClusterRun{ClusterRun::Kind::Packed, *entry, left};
  auto cluster = checked_cluster(*entry, l2_place);
  if (!cluster) return cluster.error();
  if (header_.extended_l2) return find_part(*cluster, l2_place + 8, address);
  bool is_zeros = (*entry & kReadsAsZeros) != 0;
  if (is_zeros && header_.version < 3) {
    return damage(Errc::Malformed, l2_place, "version 2 knows no clusters of zeros");
  }
  if (is_zeros || *cluster == 0) return ClusterRun{.length = left};
  return ClusterRun{ClusterRun::Kind::Plain, *cluster + within, left};
}

Result<ClusterRun> ClusterMap::find_part(uint64_t cluster, uint64_t bitmap_offset,
                                         uint64_t address) {
  auto bitmap = l2_.entry(bitmap_offset);
  if (!bitmap) return bitmap.error();
  uint64_t part_bytes = header_.cluster_bytes() / kPartsOfCluster;
  uint64_t within = address % header_.cluster_bytes();
  uint64_t part = within / part_bytes;
  uint64_t left = part_bytes - within % part_bytes;
  bool is_there = (*bitmap >> part & 1) != 0;
  bool is_zeros = (*bitmap >> (kPartsOfCluster + part) & 1) != 0;
  if (is_there && (is_zeros || cluster == 0)) {
    return damage(Errc::Malformed, bitmap_offset, "part {} of a cluster is there and is {}", part,
                  is_zeros ? "zeros" : "nowhere");
  }
  if (!is_there) return ClusterRun{.length = left};
  return ClusterRun{ClusterRun::Kind::Plain, cluster + within, left};
}

Result<uint64_t> ClusterMap::checked_cluster(uint64_t entry, uint64_t entry_offset) const {
  uint64_t cluster = entry & kOffsetMask;
  if (cluster % header_.cluster_bytes() != 0) {
    return damage(Errc::Malformed, entry_offset, "a cluster is at {:#x}, want a multiple of {:#x}",
                  cluster, header_.cluster_bytes());
  }
  if (cluster < file_bytes_) return cluster;
  return damage(Errc::Truncated, entry_offset, "a cluster is at {:#x}, the file ends at {:#x}",
                cluster, file_bytes_);
}

}  // namespace vmstream
