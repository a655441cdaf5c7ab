// SPDX-License-Identifier: MIT
// Taking up a postcopy migration whose connection broke.
#pragma once

#include <vector>

#include "guest/lazy/postcopy_channel.h"
#include "guest/lazy/served_blocks.h"

namespace vmstream {

/// Asks QEMU over a new connection which pages it has, enters them into the ledger, and lets it go
/// on. Requests that were open come again and are taken by whoever reads the channel next.
Status recover_postcopy(PostcopyChannel& channel, const std::vector<ServedBlock>& blocks,
                        DeliveryLedger& ledger, const WaitLimits& limits);

}  // namespace vmstream
