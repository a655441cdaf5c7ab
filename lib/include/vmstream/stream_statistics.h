// SPDX-License-Identifier: MIT
// Counts what flows by: a parser behind a tap, for progress, summaries and the proof of
// completeness.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <vmstream/byte_sink.h>
#include <vmstream/parser.h>

namespace vmstream {

/// Running totals of a stream. Plain numbers, cheap to copy and to show.
struct StreamCounts {
  uint64_t stream_bytes = 0;
  uint64_t guest_bytes = 0;  ///< sum of the RAM blocks' lengths; 0 until the block list has come
  uint64_t pages = 0;        ///< page records, resent ones too
  uint64_t zero_pages = 0;
  uint64_t page_bytes = 0;  ///< guest memory that the page records speak of
  uint64_t device_sections = 0;
};

/// A tap that parses what it sees. It stops the pump at the first malformed byte.
class StatisticsTap final : public ByteTap {
 public:
  /// `also` (borrowed; may be null) is shown everything the parser finds.
  explicit StatisticsTap(ParseLimits limits = {}, StreamVisitor* also = nullptr);
  ~StatisticsTap() override;

  Status on_bytes(std::span<const std::byte> bytes) override;
  /// The stream has ended: complete, or Errc::Truncated.
  Status finish();

  const StreamCounts& counts() const;
  /// The machine type's name, escaped; empty until the configuration has come, or if there is none.
  const std::string& machine() const;
  /// The guest's, as the configuration has it; most guests have it not sent.
  const std::optional<std::array<std::byte, 16>>& uuid() const;
  /// Whether QEMU starts the guest after the load: it was saved running, or the stream does not say
  /// how. Known at the stream's end.
  bool starts_guest() const;
  const StreamParser& parser() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace vmstream
