// SPDX-License-Identifier: MIT
#include "container/libvirt/libvirt_image.h"

#include <fmt/format.h>

#include <algorithm>

#include <vmstream/text.h>
#include "base/endian.h"
#include "container/libvirt/domain_xml.h"

namespace vmstream {
namespace {

using libvirt::kFormats;
using libvirt::kHeaderBytes;

// The numbers of the header, whatever their byte order was.
struct Header {
  bool is_finished = false;
  uint32_t version = 0;
  uint32_t text_bytes = 0;  // XML, cookie and room; the stream follows
  uint32_t was_running = 0;
  uint32_t format = 0;
  uint32_t cookie_offset = 0;  // in the text; 0: no cookie
};

Error malformed_at(uint64_t at, std::string message) {
  return Error{.code = Errc::Malformed, .message = std::move(message), .file_offset = at};
}

std::string_view text_of(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

// The header is in its writer's byte order. The version, a small number, tells which that is: of
// the two readings it is the smaller.
Header parse_header(std::span<const std::byte> bytes) {
  constexpr size_t kVersionAt = 16;
  bool is_little = read_le32(bytes, kVersionAt) <= load_be<uint32_t>(&bytes[kVersionAt]);
  auto number = [&](size_t at) {
    return is_little ? read_le32(bytes, at) : load_be<uint32_t>(&bytes[at]);
  };
  return {.is_finished = text_of(bytes).starts_with(libvirt::kFinished),
          .version = number(kVersionAt),
          .text_bytes = number(20),
          .was_running = number(24),
          .format = number(28),
          .cookie_offset = number(32)};
}

// Before version 2 there was one format, and the field said nothing.
Status check_header(Header& header, std::optional<uint64_t> file_bytes) {
  if (header.version == 0) {
    return malformed_at(16, fmt::format("a libvirt save image of version 0, want 1 to {}",
                                        libvirt::kNewestVersion));
  }
  if (header.version > libvirt::kNewestVersion) {
    return Error{.code = Errc::Unsupported,
                 .message = fmt::format("a libvirt save image of version {}, at most {} is known",
                                        header.version, libvirt::kNewestVersion),
                 .file_offset = 16};
  }
  if (header.version < 2) header.format = 0;
  if (header.format >= kFormats.size()) {
    return Error{.code = Errc::Unsupported,
                 .message = fmt::format("a libvirt save image of format {}, at most {} is known",
                                        header.format, kFormats.size() - 1),
                 .file_offset = 28};
  }
  uint64_t most = libvirt::kMostTextBytes;
  if (header.text_bytes == 0 || header.text_bytes > most) {
    return malformed_at(20, fmt::format("libvirt save image: {} bytes of XML, want 1 to {}",
                                        header.text_bytes, most));
  }
  if (file_bytes && header.text_bytes > *file_bytes - kHeaderBytes) {
    return Error{.code = Errc::Truncated,
                 .message = fmt::format("libvirt save image: {} bytes of XML, {} left in the file",
                                        header.text_bytes, *file_bytes - kHeaderBytes),
                 .file_offset = 20};
  }
  if (header.cookie_offset >= header.text_bytes) {
    return malformed_at(32,
                        fmt::format("libvirt save image: a cookie at {}, the texts have {} bytes",
                                    header.cookie_offset, header.text_bytes));
  }
  return ok();
}

// Texts end at a NUL; what follows is the next one, or room.
std::string text_at(std::string_view texts, size_t at) {
  texts.remove_prefix(at);
  return std::string(texts.substr(0, texts.find('\0')));
}

// libvirt starts the program that the field names, whatever the bytes are.
void check_format(const Header& header, std::span<const std::byte> head,
                  std::vector<std::string>& problems) {
  const auto& said = kFormats[header.format];
  if (text_of(head).starts_with(said.magic)) return;
  auto is = std::ranges::find_if(
      kFormats, [head](const auto& format) { return text_of(head).starts_with(format.magic); });
  problems.push_back(fmt::format("the header says format {} ({}), the stream begins with {:02x}{}",
                                 header.format, said.name,
                                 fmt::join(head.first(std::min<size_t>(head.size(), 4)), " "),
                                 is == kFormats.end() ? "" : fmt::format(" ({})", is->name)));
}

}  // namespace

bool is_libvirt_image(std::string_view head) {
  return head.starts_with(libvirt::kFinished) || head.starts_with(libvirt::kUnfinished);
}

Result<FoundContent> find_in_libvirt_image(ForwardReader& in, const IsStateFile&) {
  std::array<std::byte, kHeaderBytes> bytes;
  auto read = in.read_all(bytes, "the header of a libvirt save image");
  if (!read) return read.error();
  Header header = parse_header(bytes);
  if (auto good = check_header(header, in.length()); !good) return good.error();
  auto texts = in.read_bytes(header.text_bytes, "the XML of a libvirt save image");
  if (!texts) return texts.error();
  auto head = in.peek(kContentHeadBytes);
  if (!head) return head.error();
  auto image = std::make_shared<LibvirtImage>(
      LibvirtImage{.version = header.version,
                   .is_finished = header.is_finished,
                   .was_running = header.was_running != 0,
                   .format = std::string(kFormats[header.format].name),
                   .xml = text_at(text_of(*texts), 0)});
  if (header.cookie_offset != 0) image->cookie = text_at(text_of(*texts), header.cookie_offset);
  Container description{.type = "libvirt", .content_offset = in.position()};
  auto& problems = description.problems;
  if (!header.is_finished) {
    problems.push_back("the libvirt save image was not finished: libvirt refuses it");
  }
  check_format(header, *head, problems);
  describe_domain(*image, problems);
  uint64_t offset = description.content_offset;
  description.libvirt = std::move(image);
  return FoundContent{std::move(description), {.offset = offset}};
}

}  // namespace vmstream
