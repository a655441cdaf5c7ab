// SPDX-License-Identifier: MIT
// The bodies that are read as they come: those of iterable sections, and of counted records.
#pragma once

#include <cstdint>

#include <vmstream/visitor.h>
#include "base/byte_reader.h"
#include "format/ram/ram_body.h"
#include "format/records/window.h"
#include "format/stream/section_bounds.h"

namespace vmstream {

/// What one record of such a body tells of the bytes behind it.
struct BodyRecord {
  uint64_t payload_bytes = 0;    ///< that follow the record and hold no structure
  bool last = false;             ///< the body ends behind them
  bool opaque = false;           ///< the rest of the body has no marks: find its footer
  const char* oddity = nullptr;  ///< what no QEMU writes in it, though all load it
};

/// Reads the record of a body that `in` stands at. `first` is true at the start of the body.
using RecordReader = BodyRecord (*)(ByteReader& in, SectionType section, bool first);

/// The reader for a section's records; null when the format is not known.
RecordReader find_record_reader(std::string_view idstr);

/// Reads one body after the other, each with the footer behind it. The form of the section decides
/// where a body ends; a body without a known form ends with its footer.
class SectionBody {
 public:
  /// All are borrowed.
  SectionBody(StreamVisitor& visitor, SectionBounds& bounds, RamBody& ram)
      : visitor_(visitor), bounds_(bounds), ram_(ram) {}

  /// The body of an iterable section begins. `section` is borrowed until it has ended.
  Status begin(const SectionHeader& section);
  /// The body of a record of stream versions 1 and 2 begins: `length` bytes, no footer.
  void begin_counted(const SectionHeader& section, uint64_t length);
  Result<Step> step(const Window& window);

  /// Whether there is more to come of the section.
  bool is_open() const { return at_ != At::Ended; }
  /// The same of the section with this id.
  bool is_open(uint32_t section_id) const {
    return is_open() && section_->section_id == section_id;
  }
  bool is_in_ram() const { return at_ == At::Ram; }
  bool is_at_footer() const { return at_ == At::Footer; }

  /// Behind damage: the open section's footer stands at `offset`.
  void take_up_footer(uint64_t offset);
  /// Behind damage: the section ended unseen.
  void abandon() { at_ = At::Ended; }

 private:
  enum class At {
    Ended,
    Ram,
    Marked,  // with marks of its own
    Opaque,  // that only the footer ends
    Counted,
    Footer,
  };

  Result<Step> take_ram(const Window& window);
  Result<Step> take_marked(const Window& window);
  Status tell_oddity(const BodyRecord& record, uint64_t offset);
  Result<Step> take_opaque(const Window& window);
  Result<Step> take_counted(const Window& window);
  Result<Step> take_payload(const Window& window);
  Result<Step> take_footer(const Window& window);
  void end_body(uint64_t offset);
  Result<Step> end_section(const Window& window, bool footer);

  StreamVisitor& visitor_;
  SectionBounds& bounds_;
  RamBody& ram_;
  At at_ = At::Ended;
  const SectionHeader* section_ = nullptr;
  RecordReader reader_ = nullptr;  // of a marked body
  bool first_record_ = false;      // of it
  bool last_record_ = false;       // it ends behind the payload
  bool opaque_next_ = false;       // only its footer ends the rest of it
  uint64_t payload_left_ = 0;      // of a marked record, or of a counted body
  uint64_t body_end_ = 0;
  BoundedBy bounded_by_ = BoundedBy::Format;
};

}  // namespace vmstream
