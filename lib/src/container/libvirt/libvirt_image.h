// SPDX-License-Identifier: MIT
// The save image of libvirt's QEMU driver: a header of 92 bytes, texts, the stream.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include "container/framing/found_content.h"

namespace vmstream {

/// Numbers of the format (libvirt, src/qemu/qemu_saveimage.h).
namespace libvirt {

inline constexpr std::string_view kFinished = "LibvirtQemudSave";
inline constexpr std::string_view kUnfinished = "LibvirtQemudPart";
inline constexpr size_t kHeaderBytes = 92;
inline constexpr uint32_t kNewestVersion = 2;
/// What the domain's XML, the cookie and the room behind them may need.
inline constexpr uint32_t kMostTextBytes = 16u << 20;
/// Zeros that libvirt leaves behind the texts, for those who edit them.
inline constexpr size_t kRoomBytes = 64 * 1024;

/// What a stream is packed with, in the order of the numbers in the header.
struct Format {
  std::string_view name;
  std::string_view magic;  ///< first bytes of what is packed so
};
inline constexpr std::array<Format, 7> kFormats{{
    {"raw", "QEVM"},
    {"gzip", "\x1f\x8b"},
    {"bzip2", "BZh"},
    {"xz", "\xfd\x37zXZ"},
    {"lzop", "\x89LZO"},
    {"zstd", "\x28\xb5\x2f\xfd"},
    {"sparse", "QEVM"},
}};

}  // namespace libvirt

bool is_libvirt_image(std::string_view head);

/// Reads header and texts. The description has a problem for an image that is unfinished, for a
/// format that its stream does not have, and for texts that are no XML.
Result<FoundContent> find_in_libvirt_image(ForwardReader& in, const IsStateFile&);

}  // namespace vmstream
