// SPDX-License-Identifier: MIT
// What a person can do where QEMU does not save a guest.
#pragma once

#include <string>
#include <string_view>

#include <vmstream/qmp.h>

namespace vmstream {

/// What helps against QEMU's words on why a guest cannot be migrated; empty where that is not
/// known. QEMU is asked for the name of a device that is in the way.
std::string hint_for_refusal(QmpClient& qmp, std::string_view refusal);

/// Where QEMU has said why a migration failed: it may keep that from its monitor.
std::string where_qemu_speaks(const QmpClient& qmp);

}  // namespace vmstream
