// SPDX-License-Identifier: MIT
// What is said to QEMU's monitor, as text for a person.
#pragma once

#include <string>

#include <vmstream/qmp.h>
#include "base/json.h"

namespace vmstream {

/// {"execute": "NAME"} as a line, with arguments unless they are null.
std::string qmp_line(const char* name, const Json& arguments = {});

/// Whether the monitor there can hand QEMU a descriptor.
bool passes_fds(const QmpAddress& address);

}  // namespace vmstream
