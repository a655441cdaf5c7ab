// SPDX-License-Identifier: MIT
#include "format/multifd/packet_header.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/byte_reader.h"
#include "format/wire.h"

namespace vmstream {

std::string_view name_of(MultifdMethod method) {
  switch (method) {
    case MultifdMethod::None:
      return "none";
    case MultifdMethod::Zlib:
      return "zlib";
    case MultifdMethod::Zstd:
      return "zstd";
    case MultifdMethod::Qpl:
      return "qpl";
    case MultifdMethod::Uadk:
      return "uadk";
    case MultifdMethod::Qatzip:
      return "qatzip";
  }
  return "none";
}

uint32_t multifd_capacity(uint32_t page_bytes) {
  return wire::kMultifdPacketBytes / page_bytes;
}

namespace {

// No method makes more of its input: senders have room for twice the pages.
constexpr uint64_t kMostDataBytes = 2ull * wire::kMultifdPacketBytes;

struct MethodFlag {
  uint32_t flag;
  MultifdMethod method;
};
constexpr MethodFlag kMethods[] = {
    {0x00, MultifdMethod::None}, {0x02, MultifdMethod::Zlib}, {0x04, MultifdMethod::Zstd},
    {0x08, MultifdMethod::Qpl},  {0x10, MultifdMethod::Uadk}, {0x20, MultifdMethod::Qatzip},
};

void read_magic(ByteReader& in) {
  uint32_t magic = in.be<uint32_t>("packet magic");
  if (magic != wire::kMultifdMagic) {
    in.fail(
        Errc::Malformed, in.last_offset(),
        fmt::format("packet begins with {:#010x}, wanted {:#010x}", magic, wire::kMultifdMagic));
  }
  uint32_t version = in.be<uint32_t>("packet version");
  if (version != wire::kMultifdVersion) {
    in.fail(Errc::Malformed, in.last_offset(),
            fmt::format("packet has version {}, wanted {}", version, wire::kMultifdVersion));
  }
}

void want_zeros(std::span<const std::byte> bytes, uint64_t offset, std::string_view what,
                std::vector<Problem>& problems) {
  auto odd = std::ranges::find_if(bytes, [](std::byte byte) { return byte != std::byte{0}; });
  if (odd == bytes.end()) return;
  problems.push_back(
      {.offset = offset + static_cast<uint64_t>(odd - bytes.begin()),
       .message = fmt::format("{} hold {:#04x}, wanted 0", what, std::to_integer<unsigned>(*odd)),
       .effect = LoadEffect::Ignored});
}

void read_reserved(ByteReader& in, size_t count, std::string_view what,
                   std::vector<Problem>& problems) {
  auto bytes = in.bytes(count, what);
  want_zeros(bytes, in.last_offset(), what, problems);
}

// Up to the first NUL, behind which there are only more.
void read_name(ByteReader& in, MultifdHeader& header) {
  auto bytes = in.bytes(wire::kMultifdNameBytes, "name");
  auto end = std::ranges::find(bytes, std::byte{0});
  auto length = static_cast<size_t>(end - bytes.begin());
  header.name.assign(reinterpret_cast<const char*>(bytes.data()), length);
  want_zeros(bytes.subspan(length), in.last_offset() + length, "bytes behind the name",
             header.problems);
}

void read_flags(ByteReader& in, MultifdHeader& header) {
  MultifdPacket& packet = header.packet;
  packet.flags = in.be<uint32_t>("flags");
  packet.sync = (packet.flags & wire::kMultifdSync) != 0;
  auto method =
      std::ranges::find(kMethods, packet.flags & wire::kMultifdMethodMask, &MethodFlag::flag);
  if (method == std::end(kMethods)) {
    return in.fail(
        Errc::Malformed, in.last_offset(),
        fmt::format("flags {:#x} hold more than one way of packing, wanted one", packet.flags));
  }
  packet.method = method->method;
  uint32_t known = wire::kMultifdSync | wire::kMultifdMethodMask | wire::kMultifdDevice;
  if ((packet.flags & ~known) == 0) return;
  header.problems.push_back({.offset = in.last_offset(),
                             .message = fmt::format("flags {:#x} hold unknown ones, wanted none "
                                                    "beyond {:#x}",
                                                    packet.flags, known),
                             .effect = LoadEffect::Ignored});
}

// The counts of a packet, as on the wire.
struct Counts {
  uint32_t allocated = 0;
  uint32_t pages = 0;
  uint32_t data_bytes = 0;
  uint32_t zeros = 0;
  uint64_t offset = 0;  // of the first

  uint64_t all() const { return uint64_t{pages} + zeros; }
};

// Room for a full packet; since 9.2 none where there is no page. QEMU wants no more than it has
// itself, and as much as the packet uses.
void check_room(const Counts& counts, uint32_t capacity, std::vector<Problem>& problems) {
  if (counts.allocated == capacity || (counts.allocated == 0 && counts.all() == 0)) return;
  bool refused = counts.allocated > capacity || counts.allocated < counts.all();
  problems.push_back({.offset = counts.offset,
                      .message = fmt::format("packet has room for {} pages, wanted {}",
                                             counts.allocated, capacity),
                      .effect = refused ? LoadEffect::Refused : LoadEffect::Ignored});
}

void check_counts(ByteReader& in, const Counts& counts, MultifdMethod method, uint32_t page_bytes) {
  constexpr uint64_t kPagesAt = 4;  // behind the room
  constexpr uint64_t kDataBytesAt = 8;
  uint32_t capacity = multifd_capacity(page_bytes);
  if (counts.all() > capacity) {
    in.fail(Errc::Malformed, counts.offset + kPagesAt,
            fmt::format("packet of {} pages with data and {} zero pages, wanted {} at most",
                        counts.pages, counts.zeros, capacity));
  }
  if (counts.pages == 0) return;  // the size is what an earlier packet had
  uint64_t plain = uint64_t{counts.pages} * page_bytes;
  bool fits = method == MultifdMethod::None
                  ? counts.data_bytes == plain
                  : counts.data_bytes > 0 && counts.data_bytes <= kMostDataBytes;
  if (fits) return;
  in.fail(Errc::Malformed, counts.offset + kDataBytesAt,
          method == MultifdMethod::None ? fmt::format("{} bytes of data for {} pages, wanted {}",
                                                      counts.data_bytes, counts.pages, plain)
                                        : fmt::format("{} bytes of packed data, wanted 1 to {}",
                                                      counts.data_bytes, kMostDataBytes));
}

void read_offsets(ByteReader& in, const Counts& counts, MultifdHeader& header) {
  header.offsets.resize(static_cast<size_t>(counts.all()));
  for (uint64_t& offset : header.offsets) offset = in.be<uint64_t>("page offset");
  std::span<const uint64_t> all(header.offsets);
  header.packet.pages = all.first(counts.pages);
  header.packet.zeros = all.subspan(counts.pages);
}

void read_pages(ByteReader& in, uint32_t page_bytes, MultifdHeader& header) {
  constexpr size_t kUnusedBytes = 4 + 3 * 8;
  Counts counts;
  counts.offset = in.offset();
  counts.allocated = in.be<uint32_t>("room for pages");
  counts.pages = in.be<uint32_t>("number of pages");
  counts.data_bytes = in.be<uint32_t>("size of the data");
  header.packet.number = in.be<uint64_t>("packet number");
  counts.zeros = in.be<uint32_t>("number of zero pages");
  check_room(counts, multifd_capacity(page_bytes), header.problems);
  check_counts(in, counts, header.packet.method, page_bytes);
  read_reserved(in, kUnusedBytes, "unused bytes", header.problems);
  read_name(in, header);
  if (!in.ok()) return;
  header.packet.room = counts.allocated;
  header.packet.block = header.name;
  header.packet.data_bytes = counts.pages == 0 ? 0 : counts.data_bytes;
  read_offsets(in, counts, header);
}

void read_device(ByteReader& in, MultifdHeader& header) {
  read_name(in, header);
  header.packet.device = header.name;
  header.packet.instance_id = in.be<uint32_t>("instance id");
  header.packet.data_bytes = in.be<uint32_t>("size of the data");
}

}  // namespace

Result<MultifdInitial> read_multifd_initial(std::span<const std::byte> bytes,
                                            std::vector<Problem>& problems) {
  MultifdInitial initial;
  ByteReader in(bytes);
  read_magic(in);
  auto uuid = in.bytes(initial.uuid.size(), "uuid");
  if (!in.ok()) return in.error();
  std::ranges::copy(uuid, initial.uuid.begin());
  initial.channel = in.be<uint8_t>("channel id");
  read_reserved(in, in.remaining(), "reserved bytes", problems);
  return initial;
}

Result<size_t> multifd_header_bytes(std::span<const std::byte> front, uint64_t offset,
                                    uint32_t page_bytes) {
  ByteReader in(front, offset);
  read_magic(in);
  uint32_t flags = in.be<uint32_t>("flags");
  if (!in.ok()) return in.error();
  if ((flags & wire::kMultifdDevice) != 0) return wire::kMultifdDeviceBytes;
  return wire::kMultifdTableOffset + sizeof(uint64_t) * multifd_capacity(page_bytes);
}

Status read_multifd_header(std::span<const std::byte> bytes, uint64_t offset, uint32_t page_bytes,
                           MultifdHeader& header) {
  ByteReader in(bytes, offset);
  read_magic(in);
  read_flags(in, header);
  if ((header.packet.flags & wire::kMultifdDevice) != 0) {
    read_device(in, header);
  } else {
    read_pages(in, page_bytes, header);
  }
  if (!in.ok()) return in.error();
  header.packet.offset = offset;
  header.packet.data_offset = offset + bytes.size();
  return ok();
}

}  // namespace vmstream
