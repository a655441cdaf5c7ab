// SPDX-License-Identifier: MIT
// Constants and sizes of the wire, once for all readers and writers (docs/format.md explains them),
// and the errors of bytes that break its rules.
//
// The constants have a namespace of their own because their names are short, and so that each use
// shows that the number is of the format and no choice of ours.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>

#include <vmstream/result.h>

namespace vmstream::wire {

inline constexpr uint32_t kSectionedVersion = 3;  ///< of streams made of sections; older: records

inline constexpr size_t kHeaderBytes = 8;
inline constexpr size_t kFooterBytes = 5;         ///< 0x7e, be32 section id
inline constexpr size_t kVmdescHeaderBytes = 5;   ///< 0x06, be32 length
inline constexpr size_t kCommandHeaderBytes = 5;  ///< 0x08, be16 command, be16 length
/// Type, section id, length of the name, instance id, version; the name not counted.
inline constexpr size_t kSectionHeaderBytes = 1 + 4 + 1 + 4 + 4;
inline constexpr size_t kMaxSectionHeaderBytes = kSectionHeaderBytes + 255;
inline constexpr size_t kSectionVersionBytes = 4;  ///< the last of a section's header
/// Mark, length of the name, version; the name not counted.
inline constexpr size_t kSubsectionHeaderBytes = 1 + 1 + 4;

// Versions of the ram section.
inline constexpr uint32_t kRamVersionFlat = 3;   ///< pages by address, no block list
inline constexpr uint32_t kRamVersionNamed = 4;  ///< pages by block and offset

// The word that opens each record of the ram section: offset | flags.
inline constexpr uint64_t kRamFull = 0x001;  ///< receivers of 0.10 only; no release sends it
inline constexpr uint64_t kRamZero = 0x002;  ///< u8 fill byte
inline constexpr uint64_t kRamMemSize = 0x004;
inline constexpr uint64_t kRamPage = 0x008;
inline constexpr uint64_t kRamEos = 0x010;
inline constexpr uint64_t kRamContinue = 0x020;  ///< modifier: the block's name is left out
inline constexpr uint64_t kRamXbzrle = 0x040;
inline constexpr uint64_t kRamHook = 0x080;
inline constexpr uint64_t kRamCompressPage = 0x100;
inline constexpr uint64_t kRamMultifdFlush = 0x200;
inline constexpr uint64_t kRamFlagMask = 0x3ff;

inline constexpr size_t kRamWordBytes = 8;
inline constexpr uint8_t kXbzrleEncoding = 0x01;
/// A delta's length is 16 bits wide, whatever the page size.
inline constexpr uint64_t kMaxShortPayloadBytes = 0xffff;
/// be32 version, be64 page size, two be64 offsets
inline constexpr size_t kMappedHeaderBytes = 28;
inline constexpr uint32_t kMappedVersion = 1;

// The word that opens each record of a `block` section: sector << 9 | flags.
inline constexpr uint64_t kBlockDevice = 0x01;
inline constexpr uint64_t kBlockEos = 0x02;
inline constexpr uint64_t kBlockProgress = 0x04;
inline constexpr uint64_t kBlockZero = 0x08;
inline constexpr uint64_t kBlockFlagMask = 0x1ff;
inline constexpr uint64_t kBlockChunkBytes = 1u << 20;

inline constexpr uint8_t kBitmapEos = 0x01;
inline constexpr uint8_t kBitmapZeroes = 0x02;
inline constexpr uint8_t kBitmapName = 0x04;
inline constexpr uint8_t kBitmapDeviceName = 0x08;
inline constexpr uint8_t kBitmapStart = 0x10;
inline constexpr uint8_t kBitmapComplete = 0x20;
inline constexpr uint8_t kBitmapBits = 0x40;
inline constexpr uint8_t kBitmapMore = 0x80;  // more flags follow; no QEMU writes it

inline constexpr uint32_t kHtabNone = 0xffffffff;  ///< no hash table; nothing follows
inline constexpr uint64_t kHtabEntryBytes = 16;

inline constexpr uint64_t kStattribEos = 0x01;
inline constexpr uint64_t kStattribMore = 0x02;
inline constexpr uint64_t kStattribError = 0x04;
inline constexpr uint64_t kStattribDone = 0x08;
inline constexpr uint64_t kStattribFlagMask = 0xfff;

inline constexpr uint64_t kVfioEndOfState = 0xffffffffef100001;
inline constexpr uint64_t kVfioConfigState = 0xffffffffef100002;
inline constexpr uint64_t kVfioSetupState = 0xffffffffef100003;
inline constexpr uint64_t kVfioDataState = 0xffffffffef100004;
inline constexpr uint64_t kVfioInitDataSent = 0xffffffffef100005;
inline constexpr uint64_t kVfioConfigLoadReady = 0xffffffffef100006;

// The page channels of a multifd migration.
inline constexpr uint32_t kMultifdMagic = 0x11223344;
inline constexpr uint32_t kMultifdVersion = 1;
inline constexpr size_t kMultifdInitialBytes = 64;
inline constexpr size_t kMultifdUuidOffset = 8;
inline constexpr size_t kMultifdChannelOffset = 24;
/// Guest memory that a packet speaks of at most: so many bytes, a page an entry of its table.
inline constexpr uint32_t kMultifdPacketBytes = 0x80000;
inline constexpr size_t kMultifdNameBytes = 256;
inline constexpr size_t kMultifdFrontBytes = 12;  ///< magic, version, flags: what all packets have
inline constexpr size_t kMultifdTableOffset = 320;  ///< of the page offsets in a packet's header
inline constexpr size_t kMultifdDeviceBytes = 276;  ///< header of a packet with device state
inline constexpr uint32_t kMultifdSync = 0x01;
inline constexpr uint32_t kMultifdMethodMask = 0x3e;
inline constexpr uint32_t kMultifdDevice = 0x40;

}  // namespace vmstream::wire

namespace vmstream {

/// Bytes that no QEMU would have written. `at` is an offset in the plain stream.
inline Error malformed(uint64_t at, std::string message) {
  return Error{Errc::Malformed, std::move(message), at};
}

/// A fault that hurts the description alone, with a hint how to restore without it.
inline Error with_description_hint(Error fault) {
  fault.hint = "--accept-damaged-description restores the guest without the description";
  return fault;
}

}  // namespace vmstream
