// SPDX-License-Identifier: MIT
// Merging overlays back into the disks that they stand on, while the guest uses them.
#pragma once

#include <vector>

#include <vmstream/qmp.h>
#include <vmstream/saved_disk.h>

namespace vmstream {

/// Writes what each overlay holds into its base, lets the guest go on there, and removes the
/// overlay. An overlay that QEMU does not use is left alone. All are tried; the error names those
/// that are left, all of them if there is no monitor.
Status commit_overlays(QmpClient* qmp, const std::vector<SavedDisk>& disks);

}  // namespace vmstream
