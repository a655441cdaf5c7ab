// SPDX-License-Identifier: MIT
// Registers by the names that manuals and debuggers use.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <vmstream/device_state.h>

namespace vmstream {

/// Where the register `name` ("rip", "cr3", "x30", "gs_base", in any case) stands in the section
/// `cpu`, as a path for find_field(): "env.eip". Which processor it is, is told by the fields; for
/// all of them "env." may be left out of a field's name. Empty where nothing of that name is there.
/// Keeps nothing of `cpu`; any thread.
std::optional<std::string> register_path(const DeviceState& cpu, std::string_view name);

/// The registers that have a name of their own in `cpu`: what somebody may have meant.
std::vector<std::string> register_names(const DeviceState& cpu);

}  // namespace vmstream
