// SPDX-License-Identifier: MIT
// Where QEMU says what it keeps from its monitor.
#pragma once

#include <string>

#include <vmstream/qmp.h>

namespace vmstream {

/// The file that QEMU's standard error goes to, escaped; empty where it goes elsewhere, or that
/// cannot be told: by TCP, and of a QEMU of another user. To be asked while QEMU lives.
std::string find_qemu_log(const QmpClient& qmp);

}  // namespace vmstream
