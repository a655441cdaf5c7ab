// SPDX-License-Identifier: MIT
// What a failure of a restore means for the guest.
#pragma once

#include "common/tool.h"

namespace vmrestore {

inline constexpr vmtools::GuestFate kNotStarted{"not-started", "the guest has not run"};
inline constexpr vmtools::GuestFate kMayHaveRun{"unknown", "the guest may have run"};
inline constexpr vmtools::GuestFate kWaits{"waiting", "the guest waits for the rest of its memory"};
inline constexpr vmtools::GuestFate kRestored{"restored", "the guest is back"};

}  // namespace vmrestore
