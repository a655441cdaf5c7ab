// SPDX-License-Identifier: MIT
#include "guest/disks/guest_drives.h"

#include "guest/monitor/query.h"

namespace vmstream {
namespace {

constexpr std::string_view kNamedDevices = "/machine/peripheral/";

// "/machine/peripheral/ID/virtio-backend", or the id itself.
std::string id_in(const std::string& path) {
  if (!path.starts_with('/')) return path;
  if (!path.starts_with(kNamedDevices)) return {};
  std::string rest = path.substr(kNamedDevices.size());
  return rest.substr(0, rest.find('/'));
}

GuestDrive read_drive(const Json& entry) {
  GuestDrive drive;
  drive.device = text_member(entry, "device");
  if (const Json* medium = find_member(entry, "inserted")) {
    drive.node = text_member(*medium, "node-name");
    drive.file = text_member(*medium, "file");
    drive.format = text_member(*medium, "drv");
    drive.read_only = true_member(*medium, "ro");
  }
  if (drive.device.empty()) drive.device = id_in(text_member(entry, "qdev"));
  if (drive.device.empty()) drive.device = drive.node;
  return drive;
}

}  // namespace

Result<std::vector<GuestDrive>> list_drives(QmpClient& qmp) {
  auto answer = ask(qmp, "query-block");
  if (!answer) return answer.error();
  std::vector<GuestDrive> drives;
  if (!answer->is_array()) return drives;
  for (const Json& entry : *answer) drives.push_back(read_drive(entry));
  return drives;
}

}  // namespace vmstream
