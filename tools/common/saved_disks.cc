// SPDX-License-Identifier: MIT
#include "common/saved_disks.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include <vmstream/text.h>
#include "common/json_values.h"

namespace vmtools {

using nlohmann::ordered_json;
using vmstream::escape;
using vmstream::SavedDisk;

ordered_json disks_json(const std::vector<SavedDisk>& disks) {
  auto list = ordered_json::array();
  for (const SavedDisk& disk : disks) {
    list.push_back({{"device", escape(disk.device)},
                    {"base", escape(disk.base)},
                    {"base_format", escape(disk.base_format)},
                    {"base_node", escape(disk.base_node)},
                    {"overlay", escape(disk.overlay)},
                    {"overlay_node", escape(disk.overlay_node)},
                    {"argument", or_null(escape(disk.argument))},
                    {"base_time", or_null(escape(disk.base_time))}});
  }
  return list;
}

std::string disk_text(const SavedDisk& disk) {
  return fmt::format("{}: as saved in {} ({})", escape(disk.device), escape(disk.base),
                     escape(disk.base_format));
}

std::string overlay_text(const SavedDisk& disk) {
  return "the guest goes on in " + escape(disk.overlay);
}

void warn_of_changed_disks(Session& session, const std::string& file,
                           const std::vector<SavedDisk>& disks) {
  std::string changed;
  for (const SavedDisk& disk : disks) {
    if (!vmstream::has_changed(disk)) continue;
    changed += (changed.empty() ? "" : ", ") + escape(disk.base);
  }
  if (changed.empty()) return;
  session.messages().warning(
      file, "disks have changed since the save, its memory does not fit them: " + changed);
}

}  // namespace vmtools
