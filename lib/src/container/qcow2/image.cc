// SPDX-License-Identifier: MIT
#include "container/qcow2/image.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <bit>
#include <utility>

#include <vmstream/text.h>
#include "base/byte_reader.h"
#include "container/qcow2/in_image.h"

namespace vmstream {
namespace {

constexpr std::array kMagic{std::byte{'Q'}, std::byte{'F'}, std::byte{'I'}, std::byte{0xfb}};

constexpr size_t kMostHeaderBytes = 112;
constexpr uint32_t kShortestHeaderOfV3 = 104;

constexpr unsigned kLeastClusterBits = 9;
constexpr unsigned kMostClusterBits = 21;
constexpr unsigned kLeastClusterBitsExtended = 14;

// Limits of QEMU's own.
constexpr uint32_t kMostSnapshots = 65536;
constexpr uint32_t kMostExtraBytes = 1024;
constexpr uint64_t kMostTableBytes = 64u << 20;

// Bits of "incompatible features".
constexpr uint64_t kDirty = 1u << 0;
constexpr uint64_t kCorrupt = 1u << 1;
constexpr uint64_t kDataFile = 1u << 2;
constexpr uint64_t kCompressionType = 1u << 3;
constexpr uint64_t kExtendedL2 = 1u << 4;
constexpr uint64_t kKnownFeatures = kDirty | kCorrupt | kDataFile | kCompressionType | kExtendedL2;

Error unsupported(std::string message, std::string hint) {
  return Error{.code = Errc::Unsupported,
               .message = "qcow2: " + std::move(message),
               .hint = std::move(hint)};
}

// In the order in which the fields are read.
struct RawHeader {
  uint32_t version = 0;
  uint32_t cluster_bits = 0;
  uint64_t disk_bytes = 0;
  uint32_t crypt_method = 0;
  uint32_t snapshot_count = 0;
  uint64_t snapshots_offset = 0;
  uint64_t incompatible = 0;
  uint32_t header_length = 72;
  uint8_t compression = 0;
};

RawHeader read_fields(ByteReader& in) {
  RawHeader raw;
  in.bytes(kMagic.size(), "magic");
  raw.version = in.be<uint32_t>("version");
  in.bytes(12, "backing file");
  raw.cluster_bits = in.be<uint32_t>("cluster_bits");
  raw.disk_bytes = in.be<uint64_t>("size");
  raw.crypt_method = in.be<uint32_t>("crypt_method");
  in.bytes(12, "L1 table");
  in.bytes(12, "refcount table");
  raw.snapshot_count = in.be<uint32_t>("nb_snapshots");
  raw.snapshots_offset = in.be<uint64_t>("snapshots_offset");
  if (raw.version < 3) return raw;
  raw.incompatible = in.be<uint64_t>("incompatible features");
  in.bytes(16, "other features");
  in.bytes(4, "refcount order");
  raw.header_length = in.be<uint32_t>("header length");
  if (raw.header_length > kShortestHeaderOfV3) raw.compression = in.be<uint8_t>("compression");
  return raw;
}

Status check_version(uint32_t version) {
  if (version == 2 || version == 3) return ok();
  return unsupported(fmt::format("version {}, want 2 or 3", version),
                     version == 1 ? "version 1 has no snapshots: there is no state in it"
                                  : "a newer qemu-img may convert it: qemu-img convert -O qcow2");
}

Status check_encryption(uint32_t method) {
  if (method == 0) return ok();
  constexpr std::array<std::string_view, 3> kMethods{"none", "AES", "LUKS"};
  auto name = method < kMethods.size() ? kMethods[method] : "unknown";
  return unsupported(
      fmt::format("its content is encrypted (method {}, {})", method, name),
      "with the key QEMU's own tools read it: on a copy, qemu-img snapshot -a NAME, then qemu-io "
      "-r --object secret,... --image-opts ... -c 'read -b -v 0 512', a multiple of 512 at a time");
}

Status check_features(uint64_t bits) {
  if ((bits & kDataFile) != 0) {
    return unsupported("its data is in another file (incompatible feature 2)",
                       "QEMU makes no snapshots in such an image: there is no state in it");
  }
  if ((bits & ~kKnownFeatures) == 0) return ok();
  return unsupported(fmt::format("incompatible features {:#x} are not known, only {:#x} are",
                                 bits & ~kKnownFeatures, kKnownFeatures),
                     "a newer qemu-img may convert it, which drops snapshots: load the snapshot "
                     "with QEMU's -loadvm, and save it anew");
}

Status check_geometry(const RawHeader& raw) {
  if (raw.cluster_bits < kLeastClusterBits || raw.cluster_bits > kMostClusterBits) {
    return damage(Errc::Malformed, 20, "cluster_bits is {}, want {} to {}", raw.cluster_bits,
                  kLeastClusterBits, kMostClusterBits);
  }
  bool extended = (raw.incompatible & kExtendedL2) != 0;
  if (extended && raw.cluster_bits < kLeastClusterBitsExtended) {
    return damage(Errc::Malformed, 20, "cluster_bits is {}, extended L2 entries want {} to {}",
                  raw.cluster_bits, kLeastClusterBitsExtended, kMostClusterBits);
  }
  if (raw.version >= 3 && raw.header_length < kShortestHeaderOfV3) {
    return damage(Errc::Malformed, 100, "header length is {}, want {} or more", raw.header_length,
                  kShortestHeaderOfV3);
  }
  if (raw.compression > 1) {
    return unsupported(fmt::format("compression type {}, want 0 or 1", raw.compression),
                       "a newer qemu-img may convert it: qemu-img convert -O qcow2");
  }
  return ok();
}

Status check_table_place(const RawHeader& raw, uint64_t file_bytes) {
  if (raw.snapshot_count > kMostSnapshots) {
    return damage(Errc::Malformed, 60, "{} snapshots, want {} at most", raw.snapshot_count,
                  kMostSnapshots);
  }
  if (raw.snapshot_count == 0) return ok();
  if (raw.snapshots_offset % (uint64_t{1} << raw.cluster_bits) != 0) {
    return damage(Errc::Malformed, 64, "the snapshot table is at {:#x}, want a multiple of {:#x}",
                  raw.snapshots_offset, uint64_t{1} << raw.cluster_bits);
  }
  if (raw.snapshots_offset < file_bytes) return ok();
  return damage(Errc::Truncated, 64, "the snapshot table is at {:#x}, the file ends at {:#x}",
                raw.snapshots_offset, file_bytes);
}

Result<Qcow2Header> read_header(RandomSource& file) {
  std::vector<std::byte> bytes(
      static_cast<size_t>(std::min<uint64_t>(file.length(), kMostHeaderBytes)));
  if (auto got = file.read_at(0, bytes); !got) return got.error();
  ByteReader in(bytes);
  RawHeader raw = read_fields(in);
  bool has_version = in.ok() || in.offset() > kMagic.size() + sizeof raw.version;
  if (has_version) {
    if (auto known = check_version(raw.version); !known) return known.error();
  }
  if (!in.ok()) return in_image(in.error());
  if (auto readable = check_encryption(raw.crypt_method); !readable) return readable.error();
  if (auto known = check_features(raw.incompatible); !known) return known.error();
  if (auto sound = check_geometry(raw); !sound) return sound.error();
  if (auto there = check_table_place(raw, file.length()); !there) return there.error();
  return Qcow2Header{
      .version = raw.version,
      .cluster_bits = raw.cluster_bits,
      .extended_l2 = (raw.incompatible & kExtendedL2) != 0,
      .compression = raw.compression == 0 ? ClusterCompression::Deflate : ClusterCompression::Zstd,
      .dirty = (raw.incompatible & kDirty) != 0,
      .corrupt = (raw.incompatible & kCorrupt) != 0,
      .disk_bytes = raw.disk_bytes,
      .snapshot_count = raw.snapshot_count,
      .snapshots_offset = raw.snapshots_offset};
}

// Reads the entries one behind the other. Each begins at a multiple of 8.
class EntryReader {
 public:
  EntryReader(RandomSource& file, uint64_t offset) : file_(file), begin_(offset), at_(offset) {}

  Result<Qcow2Snapshot> next() {
    constexpr size_t kFixedBytes = 40;
    auto fixed = take(kFixedBytes);
    if (!fixed) return fixed.error();
    ByteReader in(*fixed, at_ - kFixedBytes);
    Qcow2Snapshot entry;
    entry.l1_offset = in.be<uint64_t>("L1 offset");
    entry.l1_entries = in.be<uint32_t>("L1 entries");
    size_t id_bytes = in.be<uint16_t>("id length");
    size_t name_bytes = in.be<uint16_t>("name length");
    entry.facts.date = in.be<uint32_t>("date");
    entry.facts.date_nanoseconds = in.be<uint32_t>("date, nanoseconds");
    entry.facts.clock_nanoseconds = in.be<uint64_t>("clock");
    entry.facts.state_bytes = in.be<uint32_t>("state size");
    size_t extra_bytes = in.be<uint32_t>("extra length");
    if (extra_bytes > kMostExtraBytes) {
      return damage(Errc::Malformed, in.last_offset(), "{} bytes of extra data, want {} at most",
                    extra_bytes, kMostExtraBytes);
    }
    auto rest = take(extra_bytes + id_bytes + name_bytes);
    if (!rest) return rest.error();
    read_extra(std::span(*rest).first(extra_bytes), entry);
    entry.facts.id = text_of(*rest, extra_bytes, id_bytes);
    entry.facts.name = text_of(*rest, extra_bytes + id_bytes, name_bytes);
    if (auto sound = check_texts(entry.facts, in.offset() - kFixedBytes); !sound) {
      return sound.error();
    }
    return entry;
  }
  /// To the place of the next entry.
  void align() { at_ += (begin_ - at_) % 8; }

 private:
  // Each snapshot has an id, and both are texts: else the entry is not where it was written.
  static Status check_texts(const ImageSnapshot& facts, uint64_t at) {
    if (facts.id.empty()) {
      return damage(Errc::Malformed, at + 12, "an entry of the snapshot table has no id");
    }
    bool has_nul = (facts.id + facts.name).find('\0') != std::string::npos;
    if (!has_nul) return ok();
    return damage(Errc::Malformed, at, "the id or name of a snapshot holds a NUL");
  }

  static void read_extra(std::span<const std::byte> bytes, Qcow2Snapshot& entry) {
    ByteReader in(bytes);
    entry.low_bits_only = bytes.size() < 8;
    if (bytes.size() >= 8) entry.facts.state_bytes = in.be<uint64_t>("state size");
    if (bytes.size() >= 16) entry.facts.disk_bytes = in.be<uint64_t>("disk size");
  }

  static std::string text_of(std::span<const std::byte> bytes, size_t at, size_t count) {
    return {reinterpret_cast<const char*>(bytes.data()) + at, count};
  }

  Result<std::vector<std::byte>> take(size_t count) {
    uint64_t used = at_ - begin_;
    if (count > kMostTableBytes - std::min(used, kMostTableBytes)) {
      return damage(Errc::Malformed, at_, "the snapshot table is longer than {} bytes",
                    kMostTableBytes);
    }
    if (at_ > file_.length() || count > file_.length() - at_) {
      return damage(Errc::Truncated, at_, "the snapshot table goes on for {} bytes, {} left", count,
                    file_.length() - std::min(at_, file_.length()));
    }
    std::vector<std::byte> bytes(count);
    if (auto got = file_.read_at(at_, bytes); !got) return got.error();
    at_ += count;
    return bytes;
  }

  RandomSource& file_;
  uint64_t begin_;
  uint64_t at_;
};

// "'before-update' (id 1)"
std::string shown(const Qcow2Snapshot& snapshot) {
  return fmt::format("'{}' (id {})", shortened(snapshot.facts.name), shortened(snapshot.facts.id));
}

std::string list_of(const std::vector<const Qcow2Snapshot*>& snapshots) {
  constexpr size_t kMostShown = 10;
  std::string list;
  for (size_t i = 0; i < std::min(snapshots.size(), kMostShown); ++i) {
    list += (i == 0 ? "" : ", ") + shown(*snapshots[i]);
  }
  if (snapshots.size() > kMostShown) {
    list += fmt::format(", and {} more", snapshots.size() - kMostShown);
  }
  return list;
}

}  // namespace

std::string shortened(std::string_view text) {
  constexpr size_t kMostShown = 255;  // the longest name that QEMU gives
  if (text.size() <= kMostShown) return escape(text);
  return escape(text.substr(0, kMostShown)) + fmt::format("... ({} bytes)", text.size());
}

bool Qcow2Image::recognise(std::span<const std::byte> head) {
  return head.size() >= kMagic.size() && std::ranges::equal(head.first(kMagic.size()), kMagic);
}

Result<Qcow2Image> Qcow2Image::read(RandomSource& file) {
  Qcow2Image image;
  auto header = read_header(file);
  if (!header) return header.error();
  image.header_ = *header;
  EntryReader table(file, header->snapshots_offset);
  for (uint32_t i = 0; i < header->snapshot_count; ++i) {
    auto snapshot = table.next();
    if (!snapshot) {
      image.fault_ = snapshot.error();
      break;
    }
    image.snapshots_.push_back(std::move(*snapshot));
    table.align();
  }
  return image;
}

Result<const Qcow2Snapshot*> Qcow2Image::find(const std::optional<std::string>& name) const {
  auto found = name ? find_named(*name) : find_only();
  bool may_be_behind = fault_ && (!found || !name);
  if (may_be_behind) return *fault_;
  if (!found || (*found)->facts.holds_state()) return found;
  return Error{.code = Errc::Usage,
               .message = "qcow2: snapshot " + shown(**found) + " is of the disk alone",
               .hint = "vmstream-inspect info FILE lists the snapshots, and which hold a state"};
}

Result<const Qcow2Snapshot*> Qcow2Image::find_named(const std::string& name) const {
  constexpr size_t kLongestMeant = 255;
  std::vector<const Qcow2Snapshot*> named;
  std::vector<const Qcow2Snapshot*> with_id;
  std::vector<std::string> names;
  for (const Qcow2Snapshot& snapshot : snapshots_) {
    if (snapshot.facts.name == name) named.push_back(&snapshot);
    if (snapshot.facts.id == name) with_id.push_back(&snapshot);
    bool may_be_meant = !snapshot.facts.name.empty() && snapshot.facts.name.size() <= kLongestMeant;
    if (may_be_meant) names.push_back(snapshot.facts.name);
  }
  const auto& found = named.empty() ? with_id : named;
  if (found.size() == 1) return found.front();
  if (found.size() > 1) {
    return Error{.code = Errc::Usage,
                 .message = fmt::format("qcow2: {} snapshots are called '{}'", found.size(),
                                        shortened(name)),
                 .hint = "their ids tell them apart: " + list_of(found)};
  }
  std::string meant = did_you_mean(name, std::move(names));
  return Error{.code = Errc::Usage,
               .message = fmt::format("qcow2: there is no snapshot '{}'", shortened(name)),
               .hint = meant.empty() ? "vmstream-inspect info FILE lists the snapshots" : meant};
}

Result<const Qcow2Snapshot*> Qcow2Image::find_only() const {
  std::vector<const Qcow2Snapshot*> holding;
  for (const Qcow2Snapshot& snapshot : snapshots_) {
    if (snapshot.facts.holds_state()) holding.push_back(&snapshot);
  }
  if (holding.size() == 1) return holding.front();
  if (holding.empty()) {
    std::string count =
        snapshots_.empty() ? "it has no snapshots"
        : snapshots_.size() == 1
            ? "its snapshot is of the disk alone"
            : fmt::format("its {} snapshots are of the disk alone", snapshots_.size());
    return Error{.code = Errc::Unsupported,
                 .message = "qcow2: no guest was saved in this image: " + count,
                 .hint = "with several disks, QEMU saves the guest in the first one"};
  }
  return Error{.code = Errc::Usage,
               .message = fmt::format("qcow2: {} snapshots hold a state", holding.size()),
               .hint = "say which, as FILE#NAME or FILE#ID: " + list_of(holding)};
}

}  // namespace vmstream
