// SPDX-License-Identifier: MIT
// The grammar of a stream as a state machine: which record may come next, and who reads it.
#pragma once

#include <optional>

#include <vmstream/parser.h>
#include "format/ram/ram_body.h"
#include "format/records/section_table.h"
#include "format/records/window.h"
#include "format/stream/resync.h"
#include "format/stream/section_body.h"
#include "format/stream/section_bounds.h"
#include "format/stream/stream_tail.h"

namespace vmstream {

/// Takes steps over a window that the caller provides and advances. Holds no bytes of the stream.
class StreamMachine {
 public:
  StreamMachine(StreamVisitor& visitor, const ParseLimits& limits, const ParseContext& context);

  Result<Step> step(const Window& window);

  /// Bytes behind the last step that may be left out.
  uint64_t skippable() const { return is_in_area() ? ram_.skippable() : 0; }
  bool may_skip(uint64_t count) const { return !is_in_area() || count == ram_.skippable(); }
  Status skip(uint64_t count, uint64_t position) {
    return is_in_area() ? ram_.skip(count, position) : ok();
  }

  /// Whether the stream may end where the steps have got to.
  bool may_end() const { return tail_.has_begun(); }
  /// Whether EOF has been read, if only to find that the stream goes on.
  bool has_ended() const { return tail_.has_begun() || ended_before_; }
  /// Whether what stands behind EOF is the description, so far.
  bool is_in_description() const { return tail_.is_in_description() && !ended_before_; }
  /// Where EOF stands, once it has been read.
  std::optional<uint64_t> eof_offset() const { return tail_.eof_offset(); }
  /// Behind EOF or the description.
  std::optional<uint64_t> stream_end() const { return tail_.stream_end(); }
  /// Where reading stopped, while a place to take it up again is searched.
  std::optional<uint64_t> lost_from() const {
    return lost_ ? std::optional(lost_->from) : std::nullopt;
  }

 private:
  enum class At {
    Header,
    BehindHeader,
    Record,
    Body,  // of an iterable section, or its footer
    Tail,  // behind the sections
    LegacyRecord,
    LegacyBody,
  };

  Result<Step> take_header(const Window& window);
  Result<Step> take_configuration(const Window& window);
  Result<Step> take_record(const Window& window);
  Result<Step> take_iterable(const Window& window);
  Result<Step> take_body(const Window& window, At behind);
  Result<Step> take_device(const Window& window);
  Result<Step> take_command(const Window& window);
  Result<Step> take_package_end(const Window& window);
  Result<Step> take_eof(const Window& window);
  Result<Step> take_tail(const Window& window);
  Result<Step> take_legacy_record(const Window& window);

  struct Lost {
    Error fault;
    uint64_t from = 0;
    Resync search;
    LoadEffect effect = LoadEffect::Refused;
  };

  bool is_in_area() const { return body_.is_in_ram() && !lost_ && ram_.is_in_area(); }
  bool may_take_up(const Error& fault) const;
  Result<Step> search(const Window& window);
  Result<Step> take_up(const Window& window, const Resync::Point& point);
  Status tell_gap(const StreamGap& gap);
  Status take_up_ram(uint64_t offset);
  Result<Step> advance(const Window& window);
  Result<Step> step_in(const Window& window);
  Result<SectionHeader*> bind(const SectionHeader& header);
  void learn_page_size(const Command& command);

  StreamVisitor& visitor_;
  const ParseLimits& limits_;
  SectionTable table_;
  SectionBounds bounds_;
  RamBody ram_;
  SectionBody body_;
  StreamTail tail_;
  At at_ = At::Header;

  SectionHeader* ram_section_ = nullptr;  // whose records may be taken up behind damage
  SectionHeader legacy_section_;
  std::optional<uint64_t> legacy_end_;  // version 2: offset at which the stream ends
  std::optional<uint64_t> package_end_;
  bool resume_;
  std::optional<Lost> lost_;
  // Sections may go on behind EOF where no description stands, if damage made a record look so.
  std::optional<Resync> behind_eof_;
  bool ended_before_ = false;
};

}  // namespace vmstream
