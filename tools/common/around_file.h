// SPDX-License-Identifier: MIT
// What belongs to a state file, for people and for programs: the containers around its stream, the
// disks that were saved with it, an index beside it.
#pragma once

#include <string>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include <vmstream/saved_disk.h>
#include <vmstream/state_file.h>
#include "common/tool.h"

namespace vmtools {

/// [{"type": "zstd"}, ...], outermost first; of "openpgp" with recipients and signatures, which are
/// null until the stream has been read to its end.
nlohmann::ordered_json containers_json(const std::vector<vmstream::Container>& containers);

/// {"id": "1", "name": ..., "date": ..., "state_bytes": ..., "disk_bytes": ...}.
nlohmann::ordered_json snapshot_json(const vmstream::ImageSnapshot& snapshot);
/// "'before-update' (id 1), made 2026-11-21 03:55:00 UTC".
std::string snapshot_text(const vmstream::ImageSnapshot& snapshot);

/// Tells what those should know who take what is in `file` for the state of a guest; with
/// `by_itself` also which snapshot of a disk image is read if no name says it.
void tell_of_image(Session& session, const std::string& name, vmstream::StateFile& file,
                   bool by_itself);

/// "tiny (c7a5fdbd-edaf-9455-926a-d65c16db1809)": the guest, as an image of libvirt names it.
std::string domain_text(const vmstream::LibvirtImage& image);
/// "version 2, format raw, was running, processor qemu64".
std::string libvirt_text(const vmstream::LibvirtImage& image);

/// "good signature of Jo <jo@example.org> (ABCD...), made 2026-11-21 10:00:00 UTC, as
/// 'guest.zst.gpg', trust full".
std::string signature_text(const vmstream::OpenPgpSignature& signature);

/// Of a file that was read to its end, where a bad signature is an error: what each of its
/// signatures is worth; of those that are not good as a warning.
void tell_signatures(Session& session, const std::string& file,
                     const std::vector<vmstream::Container>& containers);

/// "encrypted to 0123456789ABCDEF", "encrypted to a passphrase", "not encrypted".
std::string encryption_text(const vmstream::OpenPgpFacts& facts);

/// [{"device": ..., "base": ..., "overlay": ...}, ...].
nlohmann::ordered_json disks_json(const std::vector<vmstream::SavedDisk>& disks);

/// "virtio0: as saved in /img/a.qcow2 (qcow2)".
std::string disk_text(const vmstream::SavedDisk& disk);
/// "the guest goes on in /img/b.qcow2".
std::string overlay_text(const vmstream::SavedDisk& disk);

/// Warns of those that somebody has written to since the save of `file`: its memory does not fit
/// them any more.
void warn_of_changed_disks(Session& session, const std::string& file,
                           const std::vector<vmstream::SavedDisk>& disks);

/// Warns if an index of earlier content lies beside `file`, which has just been written. It is
/// left: nobody asked for it to go, and readers see that it is of another file.
void warn_of_stale_index(Session& session, const std::string& file);

}  // namespace vmtools
