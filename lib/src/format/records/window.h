// SPDX-License-Identifier: MIT
// The stretch of a stream that a reader sees at one time, and what it says after a look at it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include <vmstream/result.h>
#include "base/byte_reader.h"

namespace vmstream {

/// Bytes at hand. `last` means that nothing comes behind them: what is short then is truncated.
struct Window {
  std::span<const std::byte> bytes;
  uint64_t offset = 0;  ///< of the first byte, in the stream
  bool last = false;

  uint64_t end() const { return offset + bytes.size(); }
  Window from(size_t count) const { return {bytes.subspan(count), offset + count, last}; }
  /// The bytes up to `end_offset`, behind which nothing comes.
  Window until(uint64_t end_offset) const {
    return {bytes.first(static_cast<size_t>(end_offset - offset)), offset, true};
  }
};

/// How far a step got: `consumed` bytes are done with. `wanted`, where not 0, is how many bytes
/// must be at hand, counted from behind the consumed ones, before another step makes sense.
struct Step {
  size_t consumed = 0;
  size_t wanted = 0;
};

/// How many bytes of `window` a reader has taken that began at its front.
inline size_t consumed_by(const ByteReader& in, const Window& window) {
  return static_cast<size_t>(in.offset() - window.offset);
}

/// What it means that such a reader has failed: more bytes are wanted, or the stream is cut or
/// malformed.
inline Result<Step> short_read(const ByteReader& in, const Window& window) {
  if (in.missing() == 0 || window.last) return in.error();
  return Step{0, window.bytes.size() + in.missing()};
}

}  // namespace vmstream
