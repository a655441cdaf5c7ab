// SPDX-License-Identifier: MIT
// Reads what a restore hands on as a QEMU of a PC would, for tests that ask what came too early.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>

namespace testing {

/// How a QEMU was built and started, as far as it changes what it reads.
struct FakeQemu {
  bool footers = true;          ///< its machine type expects them
  bool configuration = true;    ///< likewise
  bool ignores_shared = false;  ///< its capability x-ignore-shared is on
  /// Early device state and commands that change nothing count as guest memory.
  bool lenient = true;

  /// Why this QEMU would be touched by `bytes`, the front of a stream: a device, a command, a disk
  /// or the end. Empty where it has got guest memory alone, or gives up before anything else.
  /// Shares no code with the library, which might be wrong in the same way.
  std::string harm_of(std::span<const std::byte> bytes) const;
};

/// The same for each QEMU there may be at the other end; with `asked` it is known to ignore no
/// shared memory.
std::string harm_of(std::span<const std::byte> bytes, bool lenient, bool asked = false);

}  // namespace testing
