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

struct ImageSnapshot;
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
  /// A coding ("gzip", "bzip2", "zstd", "xz", "lz4", "lzop"), "openpgp", "qevm"; "multifd"
  /// and "postcopy-preempt" for parts of a guest, each alone and, outermost, what they are
  /// together; "libvirt"; "libvirt-xen", "xl", "libxl" and "xen-record" for what holds the device
  /// state of a Xen guest; "vma" for a backup of Proxmox; "tar"; "qcow2" for a disk image that
  /// holds it in a snapshot; "offset" for a file whose owner has put bytes of its own in front of
  /// the stream, as QEMU's "file:NAME,offset=N" lets them.
  std::string type;
  /// Where in it the next layer begins, where that lies open in it; else 0.
  uint64_t content_offset = 0;
  /// Of "openpgp" only. Complete once the stream has been read to its end.
  std::shared_ptr<const OpenPgpFacts> openpgp = nullptr;
  /// Of "libvirt" and "libvirt-xen" only.
  std::shared_ptr<const LibvirtImage> libvirt = nullptr;
  /// Of "qcow2" only: the one that is read.
  std::shared_ptr<const ImageSnapshot> snapshot = nullptr;
  std::string member = {};  ///< of "tar": the name of the file in it. Not escaped.
  /// What is wrong with it although the next layer can be read. Escaped.
  std::vector<std::string> problems = {};
};

/// Where the stream in these layers begins in the file that its QEMU wrote: the places of a
/// mapped-ram stream count from that file's front. Empty where that cannot be told, as behind a
/// coding, which may have been given the stream alone.
std::optional<uint64_t> stream_place(const std::vector<Container>& containers);

/// Whether the guest ran when it was saved, as the containers say; empty where they do not. libvirt
/// stops each guest before it saves it, so that the stream itself says that it was paused.
std::optional<bool> was_running(const std::vector<Container>& containers);

}  // namespace vmstream
