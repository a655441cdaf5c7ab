// SPDX-License-Identifier: MIT
// What reading the framing of a container has found.
#pragma once

#include <cstddef>
#include <functional>
#include <span>

#include <vmstream/container.h>
#include "container/framing/stretches.h"

namespace vmstream {

/// Bytes that suffice to tell what begins with them.
constexpr size_t kContentHeadBytes = 1024;

/// Whether bytes begin a state file, packed or not. Those who call know the codings.
using IsStateFile = std::function<bool(std::span<const std::byte> head)>;

/// The reader that found it stands at the first byte of `first`.
struct FoundContent {
  Container description;
  Stretch first;
  NextStretch next = nullptr;  ///< what gives the others; null where `first` is all
};

}  // namespace vmstream
