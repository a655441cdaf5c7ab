// SPDX-License-Identifier: MIT
#include "guest/disks/guest_drives.h"

#include <algorithm>

#include "guest/monitor/query.h"
#include "state/medium_options.h"

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

// Of values within values. QEMU's own do not come near.
constexpr int kDeepest = 100;

bool tells_of_encryption(const Json& value, int depth = 0);

// A cipher's settings stand in `encrypt`, the name of its secret in `key-secret`.
bool is_encryption(const std::string& key, const Json& value) {
  if (key == "encrypted") return value.is_boolean() && value.get<bool>();
  if (key == "driver") return value.is_string() && value.get<std::string>() == "luks";
  return key.starts_with("encrypt") || key == "key-secret";
}

bool text_tells_of_encryption(const std::string& text, int depth) {
  auto options = medium_options(text);
  return options && tells_of_encryption(*options, depth + 1);
}

// Looked for everywhere: QEMU says `encrypted` of the uppermost layer of a medium only, which may
// be a filter or plain.
bool tells_of_encryption(const Json& value, int depth) {
  if (depth > kDeepest) return true;  // nobody knows
  if (value.is_string()) return text_tells_of_encryption(value.get<std::string>(), depth);
  if (!value.is_structured()) return false;
  auto items = value.items();
  return std::any_of(items.begin(), items.end(), [&](const auto& item) {
    bool told = value.is_object() && is_encryption(item.key(), item.value());
    return told || tells_of_encryption(item.value(), depth + 1);
  });
}

GuestDrive read_drive(const Json& entry) {
  GuestDrive drive;
  drive.name = text_member(entry, "device");
  drive.device = drive.name;
  drive.qdev = text_member(entry, "qdev");
  if (const Json* medium = find_member(entry, "inserted")) {
    drive.node = text_member(*medium, "node-name");
    drive.file = text_member(*medium, "file");
    drive.format = text_member(*medium, "drv");
    drive.read_only = true_member(*medium, "ro");
    drive.encrypted = tells_of_encryption(*medium);
  }
  if (drive.device.empty()) drive.device = id_in(drive.qdev);
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
