// SPDX-License-Identifier: MIT
#include "guest/disks/disk_rules.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>

#include <vmstream/saved_disk.h>
#include <vmstream/text.h>
#include "guest/monitor/query.h"
#include "io/same_file.h"

namespace vmstream {
namespace {

// libvirt's names of the nodes that it makes, and of its monitor.
constexpr const char* kLibvirtNode = "libvirt-";
constexpr const char* kLibvirtMonitor = "charmonitor";

// Whether the name means another file seen from another folder. Others begin with a protocol's
// name.
bool is_relative(const std::string& file) {
  return !file.empty() && !file.starts_with('/') &&
         file.substr(0, file.find('/')).find(':') == std::string::npos;
}

// EACCES and the like tell nothing.
bool is_gone(const std::string& file) {
  struct stat found {};
  return file.starts_with('/') && ::stat(file.c_str(), &found) != 0 && errno == ENOENT;
}

Error not_possible(const GuestDrive& drive, const std::string& why, const char* hint) {
  return Error{.code = Errc::Unsupported,
               .message = fmt::format("disk '{}' {}", escape(drive.device), why),
               .hint = hint};
}

bool has_libvirt_node(const std::vector<GuestDrive>& drives) {
  return std::any_of(drives.begin(), drives.end(),
                     [](const GuestDrive& drive) { return drive.node.starts_with(kLibvirtNode); });
}

Result<bool> has_libvirt_monitor(QmpClient& qmp) {
  auto devices = ask(qmp, "query-chardev");
  if (!devices) return devices.error();
  return devices->is_array() && std::any_of(devices->begin(), devices->end(), [](const Json& one) {
           return text_member(one, "label") == kLibvirtMonitor;
         });
}

}  // namespace

Status check_snapshot(const GuestDrive& drive) {
  std::string file = lowest_file(drive.file);
  if (is_relative(file)) {
    return not_possible(
        drive,
        fmt::format(
            "is known to QEMU as '{}', which its overlay could not find from another folder",
            escape(file)),
        "start QEMU with the full path of the disk");
  }
  if (drive.encrypted) {
    return not_possible(drive, "is encrypted, and its overlay would not be",
                        "save without --disk-snapshot, and keep the disk by --after pause or quit");
  }
  if (is_gone(file)) {
    return not_possible(
        drive,
        fmt::format("is on '{}', which does not exist: nobody could go back to it", escape(file)),
        "QEMU's -snapshot and snapshot=on make such temporary disks, and names within a container "
        "mean nothing outside; save without --disk-snapshot");
  }
  return ok();
}

Status check_owner(QmpClient& qmp, const std::vector<GuestDrive>& drives) {
  if (!has_libvirt_node(drives)) {
    auto found = has_libvirt_monitor(qmp);
    if (!found) return found.error();
    if (!*found) return ok();
  }
  return Error{.code = Errc::Unsupported,
               .message =
                   "libvirt manages this guest: it would not know of the overlays, and start the "
                   "guest without them next time",
               .hint =
                   "let it snapshot the disks: virsh snapshot-create-as DOMAIN NAME --memspec "
                   "FILE,snapshot=external; or save without --disk-snapshot"};
}

// The node of the file itself has its plain name, whatever stands above it.
Status require_no_medium(QmpClient& qmp, const std::string& output) {
  auto nodes = ask(qmp, "query-named-block-nodes");
  if (!nodes) return nodes.error();
  if (!nodes->is_array()) return ok();
  for (const Json& node : *nodes) {
    std::string file = text_member(node, "file");
    if (!is_same_file(file, output)) continue;
    return Error{Errc::Refused,
                 fmt::format("the guest has the output open as its disk: {}", escape(file))};
  }
  return ok();
}

}  // namespace vmstream
