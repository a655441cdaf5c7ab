// SPDX-License-Identifier: MIT
// Disks that belong to a saved state, for people and for programs.
#pragma once

#include <string>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include <vmstream/saved_disk.h>
#include "common/tool.h"

namespace vmtools {

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

}  // namespace vmtools
