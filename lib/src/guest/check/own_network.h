// SPDX-License-Identifier: MIT
// A place for a QEMU where its network interfaces are nobody else's.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include <vmstream/cancellation.h>

namespace vmstream {

/// The words in front of a command that start it in a network namespace of its own, in which it may
/// make taps; it goes on as the same process. Empty where this user can have no such thing.
std::optional<std::vector<std::string>> words_for_own_network(const WaitLimits& limits);

}  // namespace vmstream
