// SPDX-License-Identifier: MIT
// Names that no QEMU has given to anything. A name is all that tells which section or machine is
// meant, and often nothing else in the stream holds it against damage.
#pragma once

#include <string_view>

namespace vmstream::analysis {

/// Names of sections, RAM blocks and the like are ASCII without control characters.
bool is_printable(std::string_view name);

// One letter away from a well-known name is damage: nobody would have chosen such a name. What is
// farther away may be a name of a release that is not known here.
bool is_damaged_machine(std::string_view name);     ///< also with characters that no type has
bool is_damaged_iterable(std::string_view name);    ///< of a section that comes in parts
bool is_damaged_capability(std::string_view name);  ///< as configurations list them

}  // namespace vmstream::analysis
