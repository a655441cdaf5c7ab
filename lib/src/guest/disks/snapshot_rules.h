// SPDX-License-Identifier: MIT
// Which disks a guest can go on from in an overlay, and be brought back to.
#pragma once

#include <vector>

#include <vmstream/qmp.h>
#include "guest/disks/guest_drives.h"

namespace vmstream {

/// Errc::Unsupported for a writable disk whose overlay would not find it again, would not outlive
/// its QEMU, or would hold in clear what the guest keeps encrypted.
Status check_snapshot(const GuestDrive& drive);

/// Errc::Unsupported where another program, which would not know of the overlays, owns the guest's
/// disks. QEMU is only asked.
Status check_owner(QmpClient& qmp, const std::vector<GuestDrive>& drives);

}  // namespace vmstream
