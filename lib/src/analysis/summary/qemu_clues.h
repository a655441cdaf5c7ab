// SPDX-License-Identifier: MIT
// What each part of a stream says of the QEMU that wrote it.
#pragma once

#include <optional>
#include <span>
#include <string>

#include <vmstream/format.h>
#include <vmstream/stream_summary.h>
#include <vmstream/vmdesc.h>
#include "format/device/global_state.h"

namespace vmstream {

// Each adds its clues to `range`; call them in any order.
void add_header_clues(const StreamHeader& header, QemuVersionRange& range);
void add_configuration_clues(const Configuration& configuration, QemuVersionRange& range);
void add_section_clues(const SectionHeader& header, QemuVersionRange& range);
void add_page_clues(const SectionHeader& section, const Page& page, QemuVersionRange& range);
void add_ram_mark_clues(RamMark mark, QemuVersionRange& range);
void add_footer_clues(QemuVersionRange& range);
void add_command_clues(CommandType type, QemuVersionRange& range);
// `has_configuration`: the stream itself holds a configuration record.
void add_vmdesc_clues(const Vmdesc& vmdesc, std::string_view json, bool has_configuration,
                      QemuVersionRange& range);

void add_global_state_clues(const GlobalState& state, QemuVersionRange& range);

}  // namespace vmstream
