// SPDX-License-Identifier: MIT
// By which argument of its command line a QEMU is given a disk as the guest had it.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include <vmstream/qmp.h>
#include "base/json.h"
#include "guest/disks/guest_drives.h"

namespace vmstream {

/// The words of a QEMU's command line; empty where it cannot be known.
using CommandLine = std::optional<std::vector<std::string>>;

/// That of the process that listens at the other end of a monitor's socket. Empty for TCP, for
/// processes of other users, and in other process namespaces.
CommandLine read_command_line(int monitor);

/// How a drive of `-drive` is attached to its guest and used: "if=virtio,index=0,cache=none". By
/// the command line, where the drive has a name of its own there; otherwise by the names that QEMU
/// gives, by where the device stands, and, for its use, by the file that the drive is on. "..."
/// takes the place of what none of these tells.
std::string drive_place(const GuestDrive& drive, const CommandLine& command_line);

/// The node that the guest's devices were given when QEMU was started, below those that saves have
/// put above it; "..." where the graph of `x-debug-query-block-graph` does not lead there.
std::string original_node(const std::string& node, const Json& graph);

/// The argument for a drive's medium: "-drive file=/d/a,format=raw,if=virtio,index=0", or -blockdev
/// with the name of the node. The value is the rest behind the first space, not quoted for a shell.
/// Of the command line nothing is in it but places, caching, treatment of errors and limits of
/// speed. QEMU is only asked.
Result<std::string> drive_argument(QmpClient& qmp, const GuestDrive& drive,
                                   const CommandLine& command_line);

}  // namespace vmstream
