// SPDX-License-Identifier: MIT
#include "container/vma/vma.h"

#include <fmt/format.h>
#include <openssl/evp.h>

#include <algorithm>
#include <array>
#include <bit>

#include <vmstream/text.h>
#include "base/endian.h"

namespace vmstream {
namespace {

using namespace std::string_view_literals;

constexpr std::string_view kMagic = "VMA\0"sv;
constexpr std::string_view kExtentMagic = "VMAE"sv;
constexpr uint32_t kVersion = 1;
constexpr size_t kFixedBytes = 12288;  // of the header; the names and configurations follow
constexpr size_t kMostHeaderBytes = kFixedBytes + (16u << 20);
constexpr size_t kUuidAt = 8;
constexpr size_t kUuidBytes = 16;
constexpr size_t kHeaderDigestAt = 32;
constexpr size_t kDevicesAt = 4096;
constexpr size_t kDeviceBytes = 32;
constexpr size_t kDevices = 256;

constexpr size_t kExtentBytes = 512;  // its head
constexpr size_t kExtentDigestAt = 24;
constexpr size_t kSlotsAt = 40;
constexpr size_t kSlots = 59;
constexpr uint64_t kBlockBytes = 4096;
constexpr int kClusterBlocks = 16;

constexpr size_t kMostStretches = 1u << 22;  // 256 GiB of state whose clusters are whole

using Bytes = std::vector<std::byte>;

std::string_view text_of(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

// Of bytes in which the digest itself counts as zeros, which is what is left there.
Status check_digest(std::span<std::byte> bytes, size_t digest_at, uint64_t file_offset,
                    std::string_view what) {
  std::array<std::byte, 16> said;
  std::copy_n(bytes.begin() + static_cast<ptrdiff_t>(digest_at), said.size(), said.begin());
  std::ranges::fill(bytes.subspan(digest_at, said.size()), std::byte{0});
  std::array<std::byte, EVP_MAX_MD_SIZE> found;
  unsigned length = 0;
  if (EVP_Digest(bytes.data(), bytes.size(), reinterpret_cast<unsigned char*>(found.data()),
                 &length, EVP_md5(), nullptr) != 1) {
    return Error{Errc::Environment, "MD5 is not to be had, which a VMA file is checked by"};
  }
  if (std::equal(said.begin(), said.end(), found.begin())) return ok();
  return Error{.code = Errc::Malformed,
               .message = fmt::format("{}: MD5 {:02x}, want {:02x}", what,
                                      fmt::join(std::span(found).first(said.size()), ""),
                                      fmt::join(said, "")),
               .file_offset = file_offset};
}

class Header {
 public:
  static Result<Header> read(ForwardReader& in) {
    uint64_t at = in.position();
    auto fixed = in.read_bytes(kFixedBytes, "the header of a VMA file");
    if (!fixed) return fixed.error();
    Header header(std::move(*fixed));
    if (header.number(4) != kVersion) {
      return Error{.code = Errc::Unsupported,
                   .message = fmt::format("a VMA file of version {}, {} is known", header.number(4),
                                          kVersion),
                   .file_offset = at + 4};
    }
    uint32_t whole = header.number(56);
    if (whole < kFixedBytes || whole > kMostHeaderBytes || whole % kExtentBytes != 0) {
      return Error{.code = Errc::Malformed,
                   .message = fmt::format("a VMA header of {} bytes, want {} to {}, in multiples "
                                          "of {}",
                                          whole, kFixedBytes, kMostHeaderBytes, kExtentBytes),
                   .file_offset = at + 56};
    }
    auto rest = in.read_bytes(whole - kFixedBytes, "the header of a VMA file");
    if (!rest) return rest.error();
    header.bytes_.insert(header.bytes_.end(), rest->begin(), rest->end());
    auto good = check_digest(header.bytes_, kHeaderDigestAt, at, "VMA header");
    if (!good) return good.error();
    return header;
  }

  std::array<std::byte, kUuidBytes> uuid() const {
    std::array<std::byte, kUuidBytes> uuid;
    std::copy_n(bytes_.begin() + kUuidAt, uuid.size(), uuid.begin());
    return uuid;
  }

  // The number of the device with this name; 0 where there is none.
  uint8_t find_device(std::string_view name) const {
    for (size_t device = 1; device < kDevices; ++device) {
      if (text_at(number(kDevicesAt + device * kDeviceBytes)) == name) {
        return static_cast<uint8_t>(device);
      }
    }
    return 0;
  }

 private:
  explicit Header(Bytes bytes) : bytes_(std::move(bytes)) {}

  uint32_t number(size_t at) const { return load_be<uint32_t>(&bytes_[at]); }

  // Of the texts behind the fixed part: a length, least byte first, then text and a NUL.
  std::string_view text_at(uint32_t place) const {
    uint64_t texts_at = number(48);
    uint64_t texts_end = texts_at + number(52);
    if (place == 0 || texts_end > bytes_.size()) return {};
    uint64_t at = texts_at + place;
    if (at + 2 > texts_end) return {};
    uint64_t length = read_le16(bytes_, static_cast<size_t>(at));
    if (length > texts_end - at - 2) return {};
    auto text = text_of(bytes_).substr(static_cast<size_t>(at + 2), static_cast<size_t>(length));
    return text.substr(0, text.find('\0'));
  }

  Bytes bytes_;
};

// Goes through the extents for the blocks of one device, whose clusters come in their order. A
// block that the mask of its cluster lacks is one of zeros, which the writer has left out.
class DeviceBlocks {
 public:
  DeviceBlocks(std::array<std::byte, kUuidBytes> uuid, uint8_t device)
      : uuid_(uuid), device_(device) {}

  Result<std::optional<Stretch>> next(ForwardReader& in) {
    for (;;) {
      if (block_ < kClusterBlocks) return take_blocks(in);
      while (slot_ < kSlots && block_ == kClusterBlocks) {
        if (auto taken = take_slot(in); !taken) return taken.error();
      }
      if (block_ < kClusterBlocks) continue;
      if (auto passed = in.skip(passed_bytes_); !passed) return passed.error();
      passed_bytes_ = 0;
      auto more = open_extent(in);
      if (!more) return more.error();
      if (!*more) return std::optional<Stretch>();
    }
  }

 private:
  // Whether there is another one.
  Result<bool> open_extent(ForwardReader& in) {
    uint64_t at = in.position();
    auto ahead = in.peek(1);
    if (!ahead) return ahead.error();
    if (ahead->empty()) return false;
    if (auto read = in.read_all(extent_, "the head of a VMA extent"); !read) return read.error();
    auto bytes = std::span<std::byte>(extent_);
    if (!text_of(bytes).starts_with(kExtentMagic)) {
      return Error{.code = Errc::Malformed,
                   .message = fmt::format("a VMA extent begins with {:02x}, want {:02x}",
                                          fmt::join(bytes.first(4), " "),
                                          fmt::join(std::as_bytes(std::span(kExtentMagic)), " ")),
                   .file_offset = at};
    }
    if (auto good = check_digest(bytes, kExtentDigestAt, at, "VMA extent"); !good) {
      return good.error();
    }
    if (!std::equal(uuid_.begin(), uuid_.end(), extent_.begin() + kUuidAt)) {
      return Error{.code = Errc::Malformed,
                   .message = "a VMA extent of another backup",
                   .file_offset = at + kUuidAt};
    }
    slot_ = 0;
    return true;
  }

  // Opens the cluster of the slot if it is the device's.
  Status take_slot(ForwardReader& in) {
    auto info = load_be<uint64_t>(&extent_[kSlotsAt + slot_ * 8]);
    ++slot_;
    auto mask = static_cast<uint16_t>(info >> 48);
    auto device = static_cast<uint8_t>(info >> 32);
    auto cluster = static_cast<uint32_t>(info);
    if (device != device_) {
      passed_bytes_ += static_cast<uint64_t>(std::popcount(mask)) * kBlockBytes;
      return ok();
    }
    if (cluster != next_cluster_) {
      return in.malformed(fmt::format("the VM state of a VMA file goes on with cluster {}, want {}",
                                      cluster, next_cluster_));
    }
    ++next_cluster_;
    mask_ = mask;
    block_ = 0;
    return ok();
  }

  // Blocks of the open cluster that are all there, or all left out.
  Result<std::optional<Stretch>> take_blocks(ForwardReader& in) {
    if (++count_ > kMostStretches) {
      return Error{Errc::Unsupported, "the VM state of a VMA file lies in too many pieces"};
    }
    auto left = static_cast<uint16_t>(mask_ >> block_);
    bool is_zeros = (left & 1) == 0;
    int blocks = std::min(is_zeros ? std::countr_zero(left) : std::countr_one(left),
                          kClusterBlocks - block_);
    block_ += blocks;
    if (!is_zeros) {
      if (auto passed = in.skip(std::exchange(passed_bytes_, 0)); !passed) return passed.error();
    }
    return std::optional(
        Stretch{in.position(), static_cast<uint64_t>(blocks) * kBlockBytes, is_zeros});
  }

  std::array<std::byte, kUuidBytes> uuid_;
  uint8_t device_;
  std::array<std::byte, kExtentBytes> extent_ = {};
  size_t slot_ = kSlots;       // of the open extent, to be looked at
  uint64_t passed_bytes_ = 0;  // of other devices, in front of what comes next
  uint32_t next_cluster_ = 0;
  uint16_t mask_ = 0;           // of the open cluster
  int block_ = kClusterBlocks;  // of it, to be given; behind its last where none is open
  size_t count_ = 0;
};

}  // namespace

bool is_vma(std::string_view head) {
  return head.starts_with(kMagic);
}

Result<FoundContent> find_in_vma(ForwardReader& in, const IsStateFile&) {
  auto header = Header::read(in);
  if (!header) return header.error();
  uint8_t device = header->find_device("vmstate");
  if (device == 0) {
    return Error{.code = Errc::Unsupported,
                 .message = "a VMA file without a device 'vmstate': a backup of disks alone",
                 .hint = "'vma extract' takes the disks out"};
  }
  auto blocks = std::make_shared<DeviceBlocks>(header->uuid(), device);
  auto first = blocks->next(in);
  if (!first) return first.error();
  if (!*first) return in.malformed("a VMA file whose device 'vmstate' has no blocks");
  return FoundContent{{.type = "vma", .content_offset = (*first)->offset},
                      **first,
                      [blocks](ForwardReader& reader) { return blocks->next(reader); }};
}

}  // namespace vmstream
