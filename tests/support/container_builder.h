// SPDX-License-Identifier: MIT
// Containers described byte by byte, for tests. Independent of the library's own readers.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace testing {

using Bytes = std::vector<std::byte>;

Bytes bytes_of(std::string_view text);
void append(Bytes& out, const Bytes& bytes);
void append(Bytes& out, std::string_view text);
/// The low `width` bytes of `value`, least one first or last.
void append_number(Bytes& out, uint64_t value, int width, bool big_endian = false);

/// A save image of libvirt's QEMU driver.
struct LibvirtImageBuilder {
  std::string magic = "LibvirtQemudSave";
  bool big_endian = false;
  uint32_t version = 2;
  uint32_t was_running = 1;
  uint32_t format = 0;
  std::string xml =
      "<domain type='qemu'>\n <name>tiny</name>\n"
      " <uuid>c7a5fdbd-edaf-9455-926a-d65c16db1809</uuid>\n"
      " <graphics passwd='secret'/>\n</domain>\n";
  std::string cookie =
      "<cookie><cpu mode='custom'><model fallback='forbid'>qemu64</model></cpu></cookie>";
  size_t room = 100;
  /// Said instead of what is there, if not 0.
  uint32_t said_bytes = 0;
  uint32_t said_cookie = 0;

  Bytes build(const Bytes& stream) const;
  size_t stream_offset() const { return 92 + text_bytes(); }
  uint32_t text_bytes() const;
};

/// The file of libvirt's Xen driver.
Bytes libvirt_xen_image(uint32_t version, std::string_view xml, const Bytes& content);
/// The file of xl with this configuration.
Bytes xl_file(uint32_t flags, std::string_view configuration, const Bytes& content);
/// What libxl writes: memory of some records, then this state of an emulator.
Bytes libxl_stream(const Bytes& device_state, bool big_endian = false);
/// The device state as Xen up to 4.5 writes it. `line_end`: a line end and a big-endian length.
Bytes xen_record(std::string_view signature, const Bytes& device_state, bool line_end = false);

/// A backup of Proxmox with a disk of these blocks of 4 KiB and, unless empty, this VM state; their
/// clusters come in turn.
Bytes vma_file(size_t disk_blocks, const Bytes& vm_state);
/// Puts the MD5 of [at, at + length) into `digest_at` in it.
void mend_vma_digest(Bytes& file, size_t at, size_t length, size_t digest_at);

/// A member of a tar archive, with header and fill.
Bytes tar_member(std::string_view name, const Bytes& content, char type = '0');
/// The same whose pax header says name and size; the header itself says neither.
Bytes pax_member(std::string_view name, const Bytes& content);
Bytes tar_end();

}  // namespace testing
