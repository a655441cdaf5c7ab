// SPDX-License-Identifier: MIT
// Working sets in the units that a destination's blocks are filled in.
#pragma once

#include <vector>

#include <vmstream/lazy_restore.h>
#include "guest/lazy/served_blocks.h"

namespace vmstream {

/// The units that hold the set's pages. What the guest does not have is passed over: the set may be
/// of an earlier save.
std::vector<UnitRange> units_of(const WorkingSet& set, const std::vector<ServedBlock>& blocks);

/// The set of these units; neighbours that follow each other become one range.
WorkingSet working_set_of(const std::vector<UnitRange>& units,
                          const std::vector<ServedBlock>& blocks);

}  // namespace vmstream
