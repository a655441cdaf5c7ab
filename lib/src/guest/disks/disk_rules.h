// SPDX-License-Identifier: MIT
// What a guest's disks forbid: overlays that they could not be brought back from, and output onto
// them.
#pragma once

#include <string>
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

/// Errc::Refused where `output`, whatever it is called, is a file or device that QEMU has open for
/// a disk of the guest or for one of its backing files. Nothing of the guest is touched.
Status require_no_medium(QmpClient& qmp, const std::string& output);

}  // namespace vmstream
