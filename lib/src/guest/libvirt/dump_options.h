// SPDX-License-Identifier: MIT
// What of a save libvirt's dump can do.
#pragma once

#include <vmstream/capture.h>

namespace vmstream {

/// Errc::Unsupported for what libvirt's dump does not have, and would ignore: it must not look as
/// if it were done.
Status check_dump_options(const CaptureOptions& options);

}  // namespace vmstream
