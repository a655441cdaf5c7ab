// SPDX-License-Identifier: MIT
// Names for the bodies of device sections, field by field.
#pragma once

#include <vmstream/vmdesc.h>

#include "analysis/names/stretch_writer.h"
#include "analysis/scan/device_keeper.h"

namespace vmstream::analysis {

/// Names the body of `device`, which begins where `out` stands: its fields, where `vmdesc`
/// describes them. `vmdesc` may be null.
void name_device_body(StretchWriter& out, const KeptDevice& device, const Vmdesc* vmdesc);

}  // namespace vmstream::analysis
