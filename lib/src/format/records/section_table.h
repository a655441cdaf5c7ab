// SPDX-License-Identifier: MIT
// The sections of a stream so far, and whether bytes look like its next record.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

#include <vmstream/parser.h>
#include <vmstream/vmdesc.h>
#include "format/records/window.h"

namespace vmstream {

/// What stands at a place, judged by form, ids and names alone.
enum class NextRecord {
  No,       ///< no record could look like this
  Unknown,  ///< too few bytes to tell
  Device,   ///< the head of a FULL section
  Stream,   ///< START, PART or END of an iterable section, or a command
  End,      ///< EOF with a description behind it, or the end of all bytes
  BareEnd,  ///< the byte of EOF, and nothing that confirms it
};

/// Binds section ids to names.
class SectionTable {
 public:
  explicit SectionTable(const ParseLimits& limits) : limits_(limits) {}

  /// A START: its header is kept for the PARTs and the END.
  Result<SectionHeader*> open(const SectionHeader& header);
  /// A FULL section.
  Status add_device(const SectionHeader& header);
  /// Devices of the description that are not among the sections, each as often as it is missing.
  std::vector<const VmdescDevice*> find_missing(const Vmdesc& description) const;
  /// The header of the iterable section with this id, to be updated in place; null if none.
  SectionHeader* find(uint32_t section_id);
  /// Whether any section had this id.
  bool knows(uint32_t section_id) const {
    return iterables_.contains(section_id) || devices_.contains(section_id);
  }
  uint32_t highest_id() const { return highest_id_; }
  /// As many as are taken: what comes behind can only be refused.
  bool is_full() const { return iterables_.size() + devices_.size() >= limits_.sections; }

  /// How long an END of the RAM is that holds no pages and has no footer; 0 for anything else.
  size_t bare_end_bytes(const Window& window) const;
  /// Judges the front of `window`.
  NextRecord look(const Window& window) const;

 private:
  Status check_room(const SectionHeader& header) const;
  NextRecord look_at_head(const Window& window) const;

  const ParseLimits& limits_;
  std::unordered_map<uint32_t, SectionHeader> iterables_;
  std::unordered_set<uint32_t> devices_;
  std::map<std::pair<std::string, uint32_t>, uint32_t> names_;  // of them, and how often they came
  uint32_t highest_id_ = 0;
};

}  // namespace vmstream
