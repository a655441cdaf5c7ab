// SPDX-License-Identifier: MIT
// The grammar of a stream as a state machine: which record may come next, and who reads it.
#pragma once

#include <optional>

#include <vmstream/parser.h>

#include "format/ram/ram_body.h"
#include "format/stream/iterable_body.h"
#include "format/stream/resync.h"
#include "format/stream/section_bounds.h"
#include "format/stream/section_table.h"
#include "format/stream/window.h"

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
  bool may_end() const { return at_ == At::BehindEof || at_ == At::Trailing || legacy_end_; }
  /// Where EOF stands, once it has been read.
  std::optional<uint64_t> eof_offset() const { return eof_offset_; }
  /// Behind EOF or the description.
  std::optional<uint64_t> stream_end() const { return stream_end_; }
  /// Where reading stopped, while a place to take it up again is searched.
  std::optional<uint64_t> lost_from() const {
    return lost_ ? std::optional(lost_->from) : std::nullopt;
  }

 private:
  enum class At {
    Header,
    BehindHeader,
    Record,
    RamBody,
    MarkedBody,  // of an iterable section with marks of its own
    OpaqueBody,  // of one that only its footer ends
    Footer,
    BehindEof,
    Trailing,
    LegacyRecord,
    LegacyBody,
  };

  Result<Step> take_header(const Window& window);
  Result<Step> take_configuration(const Window& window);
  Result<Step> take_record(const Window& window);
  Result<Step> take_iterable(const Window& window);
  Result<Step> take_device(const Window& window);
  Result<Step> take_command(const Window& window);
  Result<Step> take_package_end(const Window& window);
  Result<Step> take_eof(const Window& window);
  Result<Step> take_ram_body(const Window& window);
  Result<Step> take_marked_body(const Window& window);
  Result<Step> take_opaque_body(const Window& window);
  Result<Step> take_body_bytes(const Window& window, uint64_t most);
  Result<Step> take_footer(const Window& window);
  Result<Step> take_vmdesc(const Window& window);
  Result<Step> take_trailing(const Window& window);
  Result<Step> take_legacy_record(const Window& window);
  Result<Step> take_legacy_body(const Window& window);

  struct Lost {
    Error fault;
    uint64_t from = 0;
    Resync search;
  };

  bool is_in_area() const { return at_ == At::RamBody && !lost_ && ram_.is_in_area(); }
  bool may_take_up(const Error& fault) const;
  Result<Step> search(const Window& window);
  Result<Step> take_up(const Window& window, const Resync::Point& point);
  Status tell_gap(const StreamGap& gap);
  bool is_in_body() const;
  Status take_up_ram(uint64_t offset);
  Result<Step> advance(const Window& window);
  Result<Step> step_in(const Window& window);
  Result<SectionHeader*> bind(SectionHeader header);
  Status begin_body();
  Result<Step> end_section(size_t consumed, uint64_t end_offset, bool footer, BoundedBy by);
  Status check_description(const VmdescRecord& record);
  void learn_page_size(const Command& command);

  StreamVisitor& visitor_;
  const ParseLimits& limits_;
  SectionTable table_;
  SectionBounds bounds_;
  RamBody ram_;
  At at_ = At::Header;

  SectionHeader* section_ = nullptr;      // the iterable one whose body is read
  SectionHeader* ram_section_ = nullptr;  // whose records may be taken up behind damage
  SectionHeader legacy_section_;
  RecordReader reader_ = nullptr;
  bool first_record_ = false;  // of a marked body
  bool last_record_ = false;   // the body ends behind its payload
  bool opaque_next_ = false;
  uint64_t payload_left_ = 0;
  uint64_t body_end_ = 0;
  BoundedBy bounded_by_ = BoundedBy::Format;

  std::optional<uint64_t> package_end_;
  std::optional<uint64_t> eof_offset_;
  std::optional<uint64_t> stream_end_;
  std::optional<uint64_t> legacy_length_;  // version 2: offset at which the stream ends
  bool legacy_end_ = false;
  bool resume_;
  std::optional<Lost> lost_;
};

}  // namespace vmstream
