// SPDX-License-Identifier: MIT
// Names for the framing of a stream, all that stands around the bodies of sections; and for the
// bodies of device sections, field by field.
#pragma once

#include <cstdint>

#include <vmstream/format.h>
#include <vmstream/vmdesc.h>

#include "analysis/names/stretch_writer.h"
#include "analysis/scan/device_keeper.h"

namespace vmstream {

// Each names a whole record. Where the record tells its offset, what is between `out` and it is
// named as lost.

void name_header(StretchWriter& out, const StreamHeader& header);
void name_configuration(StretchWriter& out, const Configuration& configuration);
/// From here to the end of the section all stretches belong to `header`, which is borrowed until
/// then. A slice whose head is lost begins with its body.
void name_section_head(StretchWriter& out, const SectionHeader& header, uint32_t stream_version);
/// The footer, if there is one.
void name_section_end(StretchWriter& out, const SectionHeader& header, const SectionEnd& end);
void name_command(StretchWriter& out, const Command& command);
void name_eof(StretchWriter& out, uint64_t offset);
void name_vmdesc(StretchWriter& out, const VmdescRecord& record);

/// Names the body of `device`, which begins where `out` stands: its fields, where `vmdesc`
/// describes them. `vmdesc` may be null.
void name_device_body(StretchWriter& out, const KeptDevice& device, const Vmdesc* vmdesc);

}  // namespace vmstream
