// SPDX-License-Identifier: MIT
// What stands behind the sections: EOF, the description, and bytes that are none of the stream's.
#pragma once

#include <cstdint>
#include <optional>

#include <vmstream/parser.h>
#include "format/ram/ram_body.h"
#include "format/records/window.h"
#include "format/stream/section_bounds.h"

namespace vmstream {

/// Reads from EOF to the end of all bytes, and holds the description against what came before it.
class StreamTail {
 public:
  /// All are borrowed.
  StreamTail(StreamVisitor& visitor, const ParseLimits& limits, const SectionTable& table,
             SectionBounds& bounds, const RamBody& ram)
      : visitor_(visitor), limits_(limits), table_(table), bounds_(bounds), ram_(ram) {}

  /// EOF, at the front of `window`.
  Result<Step> take_eof(const Window& window);
  /// What follows the end of the sections.
  Result<Step> step(const Window& window);

  /// Whether the sections have ended.
  bool has_begun() const { return stream_end_.has_value(); }
  /// Whether the description is being read.
  bool is_in_description() const { return has_begun() && !trailing_ && is_text_; }
  /// Where EOF stands, once it has been read.
  std::optional<uint64_t> eof_offset() const { return eof_offset_; }
  /// Behind EOF or the description.
  std::optional<uint64_t> stream_end() const { return stream_end_; }

  /// Whether bytes follow EOF that are no description.
  bool has_bare_end() const { return trailing_ && eof_offset_ && stream_end_ == *eof_offset_ + 1; }
  /// The sections go on: what stands at EOF was none.
  void take_back();

  /// Behind damage: the description stands at `offset`.
  void take_up_vmdesc(uint64_t offset);
  /// Streams of versions 1 and 2 end at `offset`, without a mark.
  void end_stream(uint64_t offset);

 private:
  Result<Step> take_vmdesc(const Window& window);
  Result<Step> take_trailing(const Window& window);
  Status show_front(const Window& window, ByteReader text);
  VmdescRecord read_description(uint64_t offset, std::span<const std::byte> text) const;
  Status check_description(const VmdescRecord& record);
  Status check_sections(const Vmdesc& description, uint64_t offset);

  StreamVisitor& visitor_;
  const ParseLimits& limits_;
  const SectionTable& table_;
  SectionBounds& bounds_;
  const RamBody& ram_;
  std::optional<uint64_t> eof_offset_;
  std::optional<uint64_t> stream_end_;
  bool trailing_ = false;       // nothing of the stream is to come
  bool behind_vmdesc_ = false;  // right behind it
  bool is_text_ = true;         // what stands in its place may be one
};

}  // namespace vmstream
