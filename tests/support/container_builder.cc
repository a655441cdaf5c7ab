// SPDX-License-Identifier: MIT
#include "support/container_builder.h"

#include <fmt/format.h>
#include <openssl/evp.h>

#include <algorithm>

namespace testing {
namespace {

void put(Bytes& out, size_t at, uint64_t value, int width, bool big_endian) {
  Bytes number;
  append_number(number, value, width, big_endian);
  std::copy(number.begin(), number.end(), out.begin() + static_cast<ptrdiff_t>(at));
}

void fill_up(Bytes& out, size_t multiple) {
  out.resize((out.size() + multiple - 1) / multiple * multiple);
}

}  // namespace

Bytes bytes_of(std::string_view text) {
  auto view = reinterpret_cast<const std::byte*>(text.data());
  return {view, view + text.size()};
}

void append(Bytes& out, const Bytes& bytes) {
  out.insert(out.end(), bytes.begin(), bytes.end());
}

void append(Bytes& out, std::string_view text) {
  append(out, bytes_of(text));
}

void append_number(Bytes& out, uint64_t value, int width, bool big_endian) {
  for (int i = 0; i < width; ++i) {
    int shift = 8 * (big_endian ? width - 1 - i : i);
    out.push_back(static_cast<std::byte>(value >> shift));
  }
}

uint32_t LibvirtImageBuilder::text_bytes() const {
  size_t cookie_bytes = cookie.empty() ? 0 : cookie.size() + 1;
  return static_cast<uint32_t>(xml.size() + 1 + cookie_bytes + room);
}

Bytes LibvirtImageBuilder::build(const Bytes& stream) const {
  Bytes out = bytes_of(magic);
  uint32_t cookie_at = cookie.empty() ? 0 : static_cast<uint32_t>(xml.size() + 1);
  for (uint32_t number : {version, said_bytes ? said_bytes : text_bytes(), was_running, format,
                          said_cookie ? said_cookie : cookie_at}) {
    append_number(out, number, 4, big_endian);
  }
  out.resize(92);
  append(out, xml);
  out.push_back(std::byte{0});
  if (!cookie.empty()) {
    append(out, cookie);
    out.push_back(std::byte{0});
  }
  out.resize(out.size() + room);
  append(out, stream);
  return out;
}

Bytes libvirt_xen_image(uint32_t version, std::string_view xml, const Bytes& content) {
  Bytes out = bytes_of(std::string_view("libvirt-xml\n \0 \r", 16));
  append_number(out, version, 4);
  append_number(out, xml.size(), 4);
  out.resize(64);
  append(out, xml);
  append(out, content);
  return out;
}

Bytes xl_file(uint32_t flags, std::string_view configuration, const Bytes& content) {
  Bytes out = bytes_of(std::string_view("Xen saved domain, xl format\n \0 \r", 32));
  append_number(out, 0x01020304, 4);
  append_number(out, flags, 4);
  append_number(out, 0, 4);
  append_number(out, 4 + configuration.size(), 4);
  append_number(out, configuration.size(), 4);
  append(out, configuration);
  append(out, content);
  return out;
}

Bytes libxl_stream(const Bytes& device_state, bool big_endian) {
  Bytes out = bytes_of("LibxlFmt");
  auto record = [&](uint32_t type, const Bytes& body) {
    append_number(out, type, 4, big_endian);
    append_number(out, body.size(), 4, big_endian);
    append(out, body);
    out.resize(out.size() + (8 - body.size() % 8) % 8);
  };
  append_number(out, 2, 4, true);
  append_number(out, big_endian, 4, true);
  record(1, {});
  append_number(out, UINT64_MAX, 8, true);
  append_number(out, 0x58454e46, 4, true);
  append_number(out, 3, 4, true);
  append_number(out, big_endian, 2, true);
  out.resize(out.size() + 6 + 16);
  record(1, bytes_of("pages, whose record is not a multiple of 8"));
  record(0, {});
  record(2, bytes_of("xenstore"));
  Bytes emulator;
  append_number(emulator, 2, 4, big_endian);
  append_number(emulator, 0, 4, big_endian);
  append(emulator, device_state);
  record(3, emulator);
  record(0, {});
  return out;
}

Bytes xen_record(std::string_view signature, const Bytes& device_state, bool line_end) {
  Bytes out = bytes_of(signature);
  if (line_end) out.push_back(std::byte{'\n'});
  if (signature != "QemuDeviceModelRecord") {
    append_number(out, device_state.size(), 4, line_end);
  }
  append(out, device_state);
  return out;
}

void mend_vma_digest(Bytes& file, size_t at, size_t length, size_t digest_at) {
  auto place = file.begin() + static_cast<ptrdiff_t>(at + digest_at);
  std::fill_n(place, 16, std::byte{0});
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned count = 0;
  EVP_Digest(&file[at], length, digest, &count, EVP_md5(), nullptr);
  std::copy_n(reinterpret_cast<const std::byte*>(digest), 16, place);
}

Bytes vma_file(size_t disk_blocks, const Bytes& vm_state) {
  constexpr size_t kBlock = 4096;
  constexpr size_t kCluster = 16;  // blocks
  Bytes out = bytes_of(std::string_view("VMA\0", 4));
  append_number(out, 1, 4, true);
  out.resize(12288);
  std::fill_n(out.begin() + 8, 16, std::byte{0x77});  // UUID
  auto device = [&](size_t number, std::string_view name) {
    put(out, 4096 + 32 * number, out.size() - 12288, 4, true);
    append_number(out, name.size() + 1, 2);
    append(out, name);
    out.push_back(std::byte{0});
  };
  out.push_back(std::byte{0});  // no text begins at 0
  device(1, "drive-scsi0");
  if (!vm_state.empty()) device(2, "vmstate");
  put(out, 48, 12288, 4, true);
  put(out, 52, out.size() - 12288, 4, true);
  fill_up(out, 512);
  size_t header_bytes = out.size();
  put(out, 56, header_bytes, 4, true);
  mend_vma_digest(out, 0, header_bytes, 32);

  Bytes state = vm_state;
  fill_up(state, kBlock);
  Bytes disk(disk_blocks * kBlock, std::byte{0xdd});
  size_t clusters = (std::max(state.size(), disk.size()) / kBlock + kCluster - 1) / kCluster;
  for (size_t first = 0; first < clusters;) {
    size_t extent = out.size();
    append(out, "VMAE");
    out.resize(extent + 512);
    std::fill_n(out.begin() + static_cast<ptrdiff_t>(extent) + 8, 16, std::byte{0x77});
    size_t slot = 0;
    size_t blocks = 0;
    for (; first < clusters && slot + 2 <= 6; ++first) {
      for (auto [number, content] : {std::pair{1u, &disk}, std::pair{2u, &state}}) {
        size_t from = std::min(first * kCluster * kBlock, content->size());
        size_t count = std::min(kCluster, (content->size() - from) / kBlock);
        if (count == 0) continue;
        uint64_t mask = (uint64_t{1} << count) - 1;
        put(out, extent + 40 + 8 * slot++, mask << 48 | uint64_t{number} << 32 | first, 8, true);
        out.insert(out.end(), content->begin() + static_cast<ptrdiff_t>(from),
                   content->begin() + static_cast<ptrdiff_t>(from + count * kBlock));
        blocks += count;
      }
    }
    put(out, extent + 6, blocks, 2, true);
    mend_vma_digest(out, extent, 512, 24);
  }
  return out;
}

Bytes tar_member(std::string_view name, const Bytes& content, char type) {
  Bytes out = bytes_of(name.substr(0, 100));
  out.resize(512);
  auto text = [&](size_t at, std::string_view value) {
    std::ranges::copy(bytes_of(value), out.begin() + static_cast<ptrdiff_t>(at));
  };
  text(100, "0000644");
  text(124, fmt::format("{:011o}", content.size()));
  text(148, "        ");
  out[156] = static_cast<std::byte>(type);
  text(257, std::string_view("ustar\00000", 8));
  unsigned sum = 0;
  for (std::byte byte : out) sum += std::to_integer<unsigned>(byte);
  text(148, fmt::format("{:06o}", sum));
  out[154] = std::byte{0};
  append(out, content);
  fill_up(out, 512);
  return out;
}

Bytes pax_member(std::string_view name, const Bytes& content) {
  auto line = [](std::string_view key, std::string_view value) {
    size_t length = key.size() + value.size() + 3;
    length += fmt::format("{}", length + 2).size();
    return fmt::format("{} {}={}\n", length, key, value);
  };
  Bytes out = tar_member(
      "header", bytes_of(line("path", name) + line("size", fmt::format("{}", content.size()))),
      'x');
  append(out, tar_member("", {}));
  append(out, content);
  fill_up(out, 512);
  return out;
}

Bytes tar_end() {
  return Bytes(1024);
}

}  // namespace testing
