// SPDX-License-Identifier: MIT
// What a QEMU could take for a section that writes its disks.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>

#include <vmstream/result.h>

namespace vmstream {

/// Looks for the header of a section "block" where the parser sees none: the state of a device has
/// an end that QEMU alone knows, and behind it may stand what the parser takes for more of it.
class HiddenDiskSection {
 public:
  /// `bytes` begin at `offset` of the stream. Errc::Refused if such a header lies in them, or in
  /// the end of those looked at before that they go on from. `seen` is the offset of the one that
  /// the parser has seen.
  Status look(uint64_t offset, std::span<const std::byte> bytes, std::optional<uint64_t> seen);

 private:
  Status search(std::string_view bytes, std::optional<uint64_t> seen) const;

  std::string tail_;  // the last bytes that a header may begin in, before end_
  uint64_t end_ = 0;
};

}  // namespace vmstream
