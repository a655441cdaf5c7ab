// SPDX-License-Identifier: MIT
// Which QEMU a command runs.
#pragma once

#include <compare>
#include <string>
#include <string_view>

#include <vmstream/cancellation.h>
#include <vmstream/result.h>

namespace vmstream {

struct QemuRelease {
  unsigned major = 0;
  unsigned minor = 0;
  auto operator<=>(const QemuRelease&) const = default;
};
/// Of a text that begins with a version, such as "7.2.22 (Debian)"; 0.0 for any other.
QemuRelease read_release(std::string_view text);

/// Asks the program by -version. Errc::Environment where it cannot be run, Errc::Unsupported where
/// it does not answer as QEMU does.
Result<QemuRelease> query_release(const std::string& program, const WaitLimits& limits = {});

/// The file that is run for `program`, found in the folders of `search_path` if it has no folder of
/// its own. Errc::Unsupported for one that is no program of its own but a script: it may do
/// anything besides.
Result<std::string> find_qemu_program(const std::string& program, std::string_view search_path);

}  // namespace vmstream
