// SPDX-License-Identifier: MIT
#include "container/libvirt/libvirt_front.h"

#include <fmt/format.h>

#include <array>
#include <span>

#include "container/libvirt/domain_xml.h"
#include "container/libvirt/libvirt_image.h"

namespace vmstream {
namespace {

using Bytes = std::vector<std::byte>;

void append(Bytes& out, std::span<const std::byte> bytes) {
  out.insert(out.end(), bytes.begin(), bytes.end());
}

void append_text(Bytes& out, std::string_view text) {
  append(out, std::as_bytes(std::span(text)));
}

// With the NUL behind it.
size_t text_bytes(std::string_view text) {
  return text.empty() ? 0 : text.size() + 1;
}

Error bad_text(std::string_view which, const Error& error) {
  return Error{error.code == Errc::Environment ? Errc::Environment : Errc::Usage,
               fmt::format("{}: {}", which, error.message)};
}

}  // namespace

Status check_texts(const LibvirtFront& front) {
  uint64_t all = text_bytes(front.xml) + text_bytes(front.cookie) + libvirt::kRoomBytes;
  if (all > libvirt::kMostTextBytes) {
    return Error{
        Errc::Usage,
        fmt::format("the domain's XML and cookie have {} bytes, {} are room for",
                    all - libvirt::kRoomBytes, libvirt::kMostTextBytes - libvirt::kRoomBytes)};
  }
  // The image ends each text by a NUL; UTF-16 is full of them.
  bool has_nul = front.xml.find('\0') != std::string_view::npos ||
                 front.cookie.find('\0') != std::string_view::npos;
  if (has_nul) {
    return Error{Errc::Usage, "the XML of the domain or the cookie holds a NUL, wanted UTF-8"};
  }
  auto name = find_in_xml(front.xml, {"domain/name"});
  if (!name) return bad_text("the domain's XML", name.error());
  if (name->front().empty()) {
    return Error{.code = Errc::Usage,
                 .message = "the XML is not that of a domain: <domain> with a <name> is wanted",
                 .hint = "virsh dumpxml --migratable --security-info DOMAIN prints it"};
  }
  if (front.cookie.empty()) return ok();
  auto cookie = find_in_xml(front.cookie, {});
  return cookie ? ok() : Status(bad_text("the cookie's XML", cookie.error()));
}

Bytes make_libvirt_header(const LibvirtFront& front) {
  auto texts = text_bytes(front.xml) + text_bytes(front.cookie) + libvirt::kRoomBytes;
  auto cookie_at = front.cookie.empty() ? 0 : text_bytes(front.xml);
  std::array<uint32_t, 5> numbers{libvirt::kNewestVersion, static_cast<uint32_t>(texts),
                                  front.runs ? 1u : 0u, front.format,
                                  static_cast<uint32_t>(cookie_at)};
  Bytes header;
  append_text(header, front.is_finished ? libvirt::kFinished : libvirt::kUnfinished);
  append(header, std::as_bytes(std::span(numbers)));
  header.resize(libvirt::kHeaderBytes);
  return header;
}

Bytes make_libvirt_front(const LibvirtFront& front) {
  Bytes bytes = make_libvirt_header(front);
  for (std::string_view text : {front.xml, front.cookie}) {
    append_text(bytes, text);
    if (!text.empty()) bytes.push_back(std::byte{0});
  }
  bytes.resize(bytes.size() + libvirt::kRoomBytes);
  return bytes;
}

}  // namespace vmstream
