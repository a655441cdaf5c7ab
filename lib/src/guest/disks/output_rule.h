// SPDX-License-Identifier: MIT
// A guest's own disk is no place for its state.
#pragma once

#include <string>

#include <vmstream/qmp.h>

namespace vmstream {

/// Errc::Refused where `output`, whatever it is called, is a file or device that QEMU has open for
/// a disk of the guest or for one of its backing files. Nothing of the guest is touched.
Status require_no_medium(QmpClient& qmp, const std::string& output);

}  // namespace vmstream
