// SPDX-License-Identifier: MIT
// The drives of a guest, as QEMU lists them.
#pragma once

#include <string>
#include <vector>

#include <vmstream/qmp.h>

namespace vmstream {

/// One of them. Texts are QEMU's, and not escaped.
struct GuestDrive {
  std::string device;  ///< the drive's name, its device's id, or the name of its node
  std::string name;    ///< the drive's own; empty where it is not one of -drive
  std::string qdev;    ///< id or path of the device that has it; empty where none has
  std::string node;    ///< of the medium; empty without one
  std::string file;    ///< what the medium is on
  std::string format;  ///< such as "qcow2"
  bool read_only = false;
  bool encrypted = false;  ///< the medium, or something below it

  bool has_medium() const { return !node.empty(); }
  bool is_writable() const { return has_medium() && !read_only; }
};

Result<std::vector<GuestDrive>> list_drives(QmpClient& qmp);

}  // namespace vmstream
