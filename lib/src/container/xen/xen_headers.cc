// SPDX-License-Identifier: MIT
// The headers that the tools around Xen put in front of what libxl writes.
#include <fmt/format.h>

#include <array>
#include <string_view>

#include "base/endian.h"
#include "container/libvirt/domain_xml.h"
#include "container/xen/xen_files.h"
#include "container/xen/xen_record.h"

namespace vmstream {
namespace {

using namespace std::string_view_literals;

constexpr std::string_view kLibvirtXen = "libvirt-xml\n \0 \r"sv;
constexpr std::string_view kXl = "Xen saved domain, xl format\n \0 \r"sv;
constexpr uint32_t kMostTextBytes = 16u << 20;

uint32_t number_at(std::span<const std::byte> bytes, size_t at, bool is_little) {
  return is_little ? read_le32(bytes, at) : load_be<uint32_t>(&bytes[at]);
}

Error bad_length(uint64_t at, std::string_view what, uint32_t found) {
  return Error{
      .code = Errc::Malformed,
      .message = fmt::format("{} of {} bytes, at most {} are read", what, found, kMostTextBytes),
      .file_offset = at};
}

// What follows a header: records, or the form of Xen up to 4.5.
Result<FoundContent> find_behind(ForwardReader& in, Container description, bool is_legacy) {
  Stretch content{in.position()};
  if (is_legacy) {
    auto record = find_last_xen_record(in);
    if (!record) return record.error();
    content = *record;
  }
  description.content_offset = content.offset;
  return FoundContent{std::move(description), content};
}

}  // namespace

bool is_libvirt_xen(std::string_view head) {
  return head.starts_with(kLibvirtXen);
}

Result<FoundContent> find_in_libvirt_xen(ForwardReader& in, const IsStateFile&) {
  constexpr uint32_t kLegacy = 1;
  constexpr uint32_t kRecords = 2;
  std::array<std::byte, 64> header;
  if (auto read = in.read_all(header, "the header of a libvirt Xen image"); !read) {
    return read.error();
  }
  bool is_little = read_le32(header, 16) <= kRecords;
  uint32_t version = number_at(header, 16, is_little);
  uint32_t xml_bytes = number_at(header, 20, is_little);
  if (version != kLegacy && version != kRecords) {
    return Error{
        .code = Errc::Unsupported,
        .message = fmt::format("a libvirt Xen image of version {}, 1 and 2 are known", version),
        .file_offset = 16};
  }
  if (xml_bytes > kMostTextBytes) return bad_length(20, "XML", xml_bytes);
  auto xml = in.read_bytes(xml_bytes, "the XML of a libvirt Xen image");
  if (!xml) return xml.error();
  auto image = std::make_shared<LibvirtImage>(LibvirtImage{.version = version});
  image->xml.assign(reinterpret_cast<const char*>(xml->data()), xml->size());
  image->xml.resize(std::min(image->xml.find('\0'), image->xml.size()));
  Container description{.type = "libvirt-xen"};
  describe_domain(*image, description.problems);
  description.libvirt = std::move(image);
  return find_behind(in, std::move(description), version == kLegacy);
}

bool is_xl(std::string_view head) {
  return head.starts_with(kXl);
}

Result<FoundContent> find_in_xl(ForwardReader& in, const IsStateFile&) {
  constexpr uint32_t kByteOrder = 0x01020304;
  constexpr uint32_t kHasRecords = 2;
  constexpr uint32_t kKnownFlags = 3;
  std::array<std::byte, 48> header;
  if (auto read = in.read_all(header, "the header of an xl file"); !read) return read.error();
  bool is_little = read_le32(header, 32) == kByteOrder;
  if (number_at(header, 32, is_little) != kByteOrder) {
    return Error{.code = Errc::Malformed,
                 .message = fmt::format("xl file: byte order mark {:#x}, want {:#x}",
                                        number_at(header, 32, is_little), kByteOrder),
                 .file_offset = 32};
  }
  uint32_t flags = number_at(header, 36, is_little);
  uint32_t extra_bytes = number_at(header, 44, is_little);
  if ((flags & ~kKnownFlags) != 0) {
    return Error{
        .code = Errc::Unsupported,
        .message = fmt::format("xl file: flags {:#x}, {:#x} are known", flags, kKnownFlags),
        .file_offset = 36};
  }
  if (extra_bytes > kMostTextBytes) return bad_length(44, "xl configuration", extra_bytes);
  if (auto passed = in.skip(extra_bytes); !passed) return passed.error();
  return find_behind(in, {.type = "xl"}, (flags & kHasRecords) == 0);
}

}  // namespace vmstream
