// SPDX-License-Identifier: MIT
// How a QEMU is started that is to leave nothing behind.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include <vmstream/cancellation.h>

namespace vmstream {

/// The words in front of a command that start it in a network namespace of its own, in which it may
/// make taps; it goes on as the same process. Empty where this user can have no such thing.
std::optional<std::vector<std::string>> words_for_own_network(const WaitLimits& limits);

/// Likewise, those that let it be killed when this process ends, however that ends; empty where the
/// system has no such thing.
std::vector<std::string> words_for_common_end();

}  // namespace vmstream
