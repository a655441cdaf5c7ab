// SPDX-License-Identifier: MIT
// What a parser tells about a stream, event by event, and to how many.
#pragma once

#include <initializer_list>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <vmstream/format.h>
#include <vmstream/result.h>

namespace vmstream {

/// What becomes of a load where something is wrong with the stream.
enum class LoadEffect {
  Refused,  ///< QEMU stops there
  Depends,  ///< on the machine and the options of the destination
  Ignored,  ///< QEMU does not look at it, or does not mind
};
/// "refused", "depends", "ignored": the word used in JSON.
std::string_view name_of(LoadEffect effect);

/// Something wrong or surprising that does not stop the parse.
struct Problem {
  uint64_t offset = 0;
  std::string message;  ///< escaped, lower case, no full stop
  /// A flaw that releases of QEMU are known to write: surprising, but nothing is damaged.
  bool known_flaw = false;
  LoadEffect effect = LoadEffect::Refused;  ///< of a known flaw: none
  /// The description alone is hurt, which QEMU does not read.
  bool in_description = false;
  /// A section that the description lacks: which of the two is hurt, the parser cannot tell.
  bool undescribed = false;

  bool stops_a_load() const { return !known_flaw && effect == LoadEffect::Refused; }
};

/// A stretch that was passed over as damaged, by a parser that takes up reading again behind it.
struct StreamGap {
  Error fault;        ///< why reading stopped
  uint64_t from = 0;  ///< the first byte that could not be read
  uint64_t to = 0;    ///< where reading goes on
  /// The open section goes on behind the gap; else it ended unseen, if one was open.
  bool in_section = false;
  LoadEffect effect = LoadEffect::Refused;
};

/// Receives a stream in order. Views are valid during the call only. Overrides what interests it;
/// an error returned stops the parse and comes out of the parser unchanged.
///
///   header [configuration]
///   { section (ram_blocks | page | ram_mark | body)* section_end | command | package_end }*
///   [eof [vmdesc | cut_vmdesc]] [trailing*]
class StreamVisitor {
 public:
  virtual ~StreamVisitor() = default;

  virtual Status on_header(const StreamHeader&) { return ok(); }
  virtual Status on_configuration(const Configuration&) { return ok(); }

  virtual Status on_section(const SectionHeader&) { return ok(); }
  /// The whole list; of one that breaks off, the entries in front of that place. In a mapped-ram
  /// stream the pages of a block stand between the entries: there it is called once a block, each
  /// time with a longer list.
  virtual Status on_ram_blocks(const RamBlockList&) { return ok(); }
  virtual Status on_page(const Page&) { return ok(); }
  virtual Status on_ram_mark(RamMark, uint64_t /*offset*/) { return ok(); }
  /// Bytes of a body other than ram's, and what stands between the pages of a mapped-ram stream.
  /// A FULL section comes in one call; iterable ones, and records of versions 1 and 2, in pieces.
  virtual Status on_body(uint64_t /*offset*/, std::span<const std::byte>) { return ok(); }
  virtual Status on_section_end(const SectionHeader&, const SectionEnd&) { return ok(); }

  virtual Status on_command(const Command&) { return ok(); }
  /// The records of a Packaged command have ended.
  virtual Status on_package_end(uint64_t /*offset*/) { return ok(); }

  virtual Status on_eof(uint64_t /*offset*/) { return ok(); }
  virtual Status on_vmdesc(const VmdescRecord&) { return ok(); }
  /// What there is of a description behind which the input ends too early; the parser fails then.
  virtual Status on_cut_vmdesc(const VmdescRecord&) { return ok(); }
  /// Bytes behind the end of the stream, in pieces.
  virtual Status on_trailing(uint64_t /*offset*/, std::span<const std::byte>) { return ok(); }

  virtual Status on_problem(const Problem&) { return ok(); }

  /// Bytes that are passed over in search of a place to take up reading again, in pieces. Only from
  /// parsers that were asked to, as is on_gap().
  virtual Status on_lost(uint64_t /*offset*/, std::span<const std::byte>) { return ok(); }
  /// Such a place was found; on_problem() tells the same in words, then the events behind it come.
  /// What was shown as trailing may turn out to be such a gap: then the sections go on behind it.
  virtual Status on_gap(const StreamGap&) { return ok(); }
};

/// Shows every event to each visitor of a list, in its order. The first error ends it.
class VisitorList : public StreamVisitor {
 public:
  /// The visitors are borrowed; those that are null are left out.
  VisitorList(std::initializer_list<StreamVisitor*> visitors) {
    for (StreamVisitor* visitor : visitors) add(visitor);
  }
  void add(StreamVisitor* visitor) {
    if (visitor != nullptr) visitors_.push_back(visitor);
  }

  Status on_header(const StreamHeader& header) override {
    return show(&StreamVisitor::on_header, header);
  }
  Status on_configuration(const Configuration& configuration) override {
    return show(&StreamVisitor::on_configuration, configuration);
  }
  Status on_section(const SectionHeader& header) override {
    return show(&StreamVisitor::on_section, header);
  }
  Status on_ram_blocks(const RamBlockList& list) override {
    return show(&StreamVisitor::on_ram_blocks, list);
  }
  Status on_page(const Page& page) override { return show(&StreamVisitor::on_page, page); }
  Status on_ram_mark(RamMark mark, uint64_t offset) override {
    return show(&StreamVisitor::on_ram_mark, mark, offset);
  }
  Status on_body(uint64_t offset, std::span<const std::byte> bytes) override {
    return show(&StreamVisitor::on_body, offset, bytes);
  }
  Status on_section_end(const SectionHeader& header, const SectionEnd& end) override {
    return show(&StreamVisitor::on_section_end, header, end);
  }
  Status on_command(const Command& command) override {
    return show(&StreamVisitor::on_command, command);
  }
  Status on_package_end(uint64_t offset) override {
    return show(&StreamVisitor::on_package_end, offset);
  }
  Status on_eof(uint64_t offset) override { return show(&StreamVisitor::on_eof, offset); }
  Status on_vmdesc(const VmdescRecord& vmdesc) override {
    return show(&StreamVisitor::on_vmdesc, vmdesc);
  }
  Status on_cut_vmdesc(const VmdescRecord& vmdesc) override {
    return show(&StreamVisitor::on_cut_vmdesc, vmdesc);
  }
  Status on_trailing(uint64_t offset, std::span<const std::byte> bytes) override {
    return show(&StreamVisitor::on_trailing, offset, bytes);
  }
  Status on_problem(const Problem& problem) override {
    return show(&StreamVisitor::on_problem, problem);
  }
  Status on_lost(uint64_t offset, std::span<const std::byte> bytes) override {
    return show(&StreamVisitor::on_lost, offset, bytes);
  }
  Status on_gap(const StreamGap& gap) override { return show(&StreamVisitor::on_gap, gap); }

 private:
  template <typename... Parameters, typename... Arguments>
  Status show(Status (StreamVisitor::*event)(Parameters...), const Arguments&... arguments) {
    for (StreamVisitor* visitor : visitors_) {
      if (auto seen = (visitor->*event)(arguments...); !seen) return seen;
    }
    return ok();
  }

  std::vector<StreamVisitor*> visitors_;
};

}  // namespace vmstream
