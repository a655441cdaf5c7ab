// SPDX-License-Identifier: MIT
// What a state file is wrapped in: one layer, and what its header says of the guest.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace vmstream {

struct OpenPgpFacts;

/// What the header of a libvirt save image says. Nobody vouches for it: escape() what is shown.
///
/// A libvirt image begins with 92 bytes in the writer's byte order (libvirt, src/qemu/
/// qemu_saveimage.h); the domain's XML, the cookie and room to edit them follow; then the stream.
/// Images of libvirt's Xen driver have no cookie, and say neither run state nor format.
struct LibvirtImage {
  uint32_t version = 0;
  bool is_finished = true;  ///< false: the image is being written, or its writer broke off
  /// Whether the guest ran when it was saved, and runs on once it is restored.
  std::optional<bool> was_running = {};
  /// What the stream is packed with: "raw", "gzip", "bzip2", "xz", "lzop", "zstd"; "sparse" for a
  /// mapped-ram stream.
  std::string format = {};
  /// The domain as libvirt starts it. May hold passwords: not to be shown unasked.
  std::string xml = {};
  std::string cookie = {};  ///< XML of libvirt's own, with the processor as QEMU presented it

  std::string domain_name = {};  ///< of the XML; empty where that does not say it
  std::string uuid = {};         ///< likewise
  std::string cookie_cpu = {};   ///< the processor's model in the cookie; empty where there is none
};

/// One layer around the stream, outermost first; the last one is "qevm" itself.
struct Container {
  /// A coding ("gzip", "bzip2", "zstd", "xz", "lz4"), "openpgp", "qevm"; "multifd" for a page
  /// channel; "libvirt"; "libvirt-xen", "xl", "libxl" and "xen-record" for what holds the device
  /// state of a Xen guest; "vma" for a backup of Proxmox; "tar"; "offset" for a file whose owner
  /// has put bytes of its own in front of the stream, as QEMU's "file:NAME,offset=N" lets them.
  std::string type;
  /// Where in it the next layer begins, where that lies open in it; else 0.
  uint64_t content_offset = 0;
  /// Of "openpgp" only. Complete once the stream has been read to its end.
  std::shared_ptr<const OpenPgpFacts> openpgp = nullptr;
  /// Of "libvirt" and "libvirt-xen" only.
  std::shared_ptr<const LibvirtImage> libvirt = nullptr;
  std::string member = {};  ///< of "tar": the name of the file in it. Not escaped.
  /// What is wrong with it although the next layer can be read. Escaped.
  std::vector<std::string> problems = {};
};

}  // namespace vmstream
