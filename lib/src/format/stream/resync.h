// SPDX-License-Identifier: MIT
// Where reading can be taken up again behind damage.
#pragma once

#include <map>
#include <optional>

#include "format/ram/ram_body.h"
#include "format/records/section_table.h"
#include "format/records/window.h"

namespace vmstream {

/// One search, from one fault on. Takes nothing for a place to go on but what could hardly be
/// there by chance:
///
///   - a record where the damaged one would have had its end, if that is known;
///   - a footer with something behind it that can be a record; with the head of the same section
///     in front of it, that head;
///   - in streams without footers, the head of a section whose id is a little higher than any
///     before;
///   - a row of ram records;
///   - the description, with EOF in front of it or without.
class Resync {
 public:
  struct Point {
    enum class Kind { Footer, Record, RamRecord, Vmdesc };
    Kind kind = Kind::Record;
    uint64_t offset = 0;
    uint32_t section_id = 0;  ///< of a footer
  };

  /// `table`, `ram` and `limits` are borrowed. `likely` is where the damaged record would end.
  Resync(const SectionTable& table, const RamBody& ram, const ParseLimits& limits,
         std::optional<bool> footers, uint64_t from, std::optional<uint64_t> likely)
      : table_(&table),
        ram_(&ram),
        limits_(&limits),
        footers_(footers),
        searched_(from),
        likely_(likely) {}

  /// The first point in `window`, which begins where the last one did or behind what was passed.
  std::optional<Point> find(const Window& window);
  /// Bytes at the front of `window` that the search needs no more.
  size_t passed(const Window& window) const;

 private:
  // What stands at a place: a point, nothing, or too few bytes to tell.
  struct Verdict {
    bool waits = false;
    std::optional<Point> point = std::nullopt;
  };
  Verdict judge(const Window& at, std::byte before);
  Verdict judge_likely(const Window& at) const;
  Verdict judge_footer(const Window& at);
  Verdict judge_head(const Window& at);
  Verdict judge_description(const Window& at, std::byte before) const;

  const SectionTable* table_;
  const RamBody* ram_;
  const ParseLimits* limits_;
  std::optional<bool> footers_;
  uint64_t searched_;  // up to this offset
  std::optional<uint64_t> likely_;
  std::map<uint32_t, uint64_t> heads_;  // that may be, by section id: their offsets
};

}  // namespace vmstream
