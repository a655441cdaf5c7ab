// SPDX-License-Identifier: MIT
// Names that no QEMU has given to anything. A name is all that tells which section or machine is
// meant, and often nothing else in the stream holds it against damage.
#pragma once

#include <string_view>

#include <vmstream/stream_summary.h>

namespace vmstream::analysis {

/// Names of sections, RAM blocks and the like are ASCII without control characters.
bool is_printable(std::string_view name);

/// Whether the names differ in one bit. A digit in place of another one may be another model.
bool is_one_bit_off(std::string_view name, std::string_view known);

// One letter away from a well-known name is damage: nobody would have chosen such a name. What is
// farther away may be a name of a release that is not known here.
bool is_damaged_machine(std::string_view name);     ///< also with characters that no type has
bool is_of_no_release(QemuVersion machine_since);   ///< 3.0 to 10.2 have no minor above 2
bool is_damaged_block(std::string_view name);       ///< of a RAM block
bool is_damaged_iterable(std::string_view name);    ///< of a section that comes in parts
bool is_damaged_capability(std::string_view name);  ///< as configurations list them

}  // namespace vmstream::analysis
