// SPDX-License-Identifier: MIT
// Where the body of a section ends when the body itself does not say: the one place that decides.
#pragma once

#include <deque>
#include <memory>
#include <optional>

#include <vmstream/parser.h>
#include <vmstream/vmdesc.h>
#include "format/records/section_table.h"
#include "format/records/window.h"

namespace vmstream {

/// Decides, from certain to inferred:
///
///   1. the sizes of the description, confirmed by the footer or the record behind. On a pipe the
///      description comes last, so the sections in front of it wait in the window until it is
///      there;
///   2. the section's footer, followed by something that can be a record. Taken at once when a
///      record of an iterable section or a command follows, for then no description is near;
///      otherwise only when there is no description to come, or when too much would wait;
///   3. in streams without footers the head of the next section.
class SectionBounds {
 public:
  struct Bound {
    uint64_t body_length = 0;
    bool footer = false;
    BoundedBy by = BoundedBy::Footer;
  };

  SectionBounds(StreamVisitor& visitor, const ParseLimits& limits, const SectionTable& table,
                const Vmdesc* description)
      : visitor_(visitor), limits_(limits), table_(table), description_(description) {}

  /// Whether sections of this stream have footers; unknown before the first section has ended.
  std::optional<bool> footers() const { return footers_; }
  void set_footers(bool footers) { footers_ = footers; }
  /// At the front of `at` the first footer would stand, but does not: whether the stream has none
  /// then, or has them and this one is damaged. Nothing where more bytes are needed to tell.
  std::optional<bool> is_without_footers(const Window& at) const;
  /// Records in a package end with it; no description is looked for.
  void set_packaged(bool packaged) { packaged_ = packaged; }

  /// The end of the body at the front of `body`; nothing when wanted() bytes must be there first.
  Result<std::optional<Bound>> find(const SectionHeader& header, const Window& body);
  size_t wanted() const { return wanted_; }

  /// For bodies that are shown in pieces: how many bytes at the front of `body` are certainly not
  /// its footer, and whether the footer stands behind them.
  struct Opaque {
    size_t body_bytes = 0;
    bool ended = false;
  };
  Opaque find_footer(uint32_t section_id, const Window& body) const;

  /// The description that was found with its text at `offset`; null if none was found there.
  std::shared_ptr<const Vmdesc> description_at(uint64_t offset) const;

  /// Compares what was inferred before the description came with what it says.
  Status check_inferred(const Vmdesc& description);

 private:
  struct Link {  // a section whose footer was found
    uint64_t body_offset = 0;
    uint64_t body_length = 0;
  };
  struct Open {  // the section whose footer is being looked for
    uint32_t section_id = 0;
    uint64_t body_offset = 0;
    uint64_t scanned = 0;                         // up to this offset in the stream
    std::optional<uint64_t> weak = std::nullopt;  // the first footer in front of a mere EOF byte
  };
  struct Inferred {
    std::string idstr;
    uint32_t instance_id = 0;
    uint64_t offset = 0;
    uint64_t body_length = 0;
  };
  enum class Outcome { Agrees, Disagrees, Waits };

  Result<Outcome> try_description(const SectionHeader& header, const Window& body, Bound& bound);
  Result<std::optional<Bound>> infer(const SectionHeader& header, const Window& at_hand);
  void search_description(const Window& body);
  bool try_candidate(const Window& at);
  void extend_chain(const SectionHeader& header, const Window& body, bool relaxed);
  bool scan_for_footer(const Window& body, bool relaxed);
  void close_open(const Window& body, uint64_t footer, NextRecord next);
  std::optional<Bound> take_link(const SectionHeader& header, const Window& body);
  Result<std::optional<Bound>> find_next_head(const SectionHeader& header, const Window& body);
  bool is_described_head(const Window& at) const;
  bool ends_bare_section(const Window& at) const;
  void approve(const Window& record);
  Window within_limit(const Window& body) const;
  bool is_footer(const Window& at, uint32_t section_id) const;
  Error no_end(const SectionHeader& header, const Window& body) const;

  StreamVisitor& visitor_;
  const ParseLimits& limits_;
  const SectionTable& table_;
  const Vmdesc* description_;
  std::shared_ptr<const Vmdesc> own_description_;
  uint64_t description_begun_ = 0;  // behind the first byte of its text: no section reaches here
  std::optional<bool> footers_;
  bool packaged_ = false;
  size_t wanted_ = 0;
  uint64_t candidates_seen_ = 0;  // offset up to which a description was looked for
  size_t candidate_bytes_ = 0;    // of the one that is waited for
  std::deque<Link> chain_;
  std::optional<Open> open_;
  uint64_t approved_ = 0;       // links that end here or before need no description
  uint64_t approval_seen_ = 0;  // behind the last byte that it took to tell
  uint64_t disputed_ = 0;       // body offset for which the description was found wrong
  std::vector<Inferred> inferred_;
};

}  // namespace vmstream
