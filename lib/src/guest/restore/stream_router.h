// SPDX-License-Identifier: MIT
// Decides for every byte of a stream, as the parser finds it, what a restore does with it.
#pragma once

#include <deque>
#include <optional>
#include <string>
#include <unordered_set>
#include <utility>
#include <vector>

#include <vmstream/restore.h>
#include <vmstream/visitor.h>
#include "format/ram/sent_memory.h"
#include "guest/restore/discard_ledger.h"
#include "guest/restore/restore_places.h"

namespace vmstream {

/// What becomes of a stretch of a stream.
enum class Route {
  Pass,    ///< handed on as it comes
  Decide,  ///< likewise, but the guest or its disks are touched from here on
  Hold,    ///< kept, and handed on in its order when the source has ended well
  Drop,    ///< left out
  Tail,    ///< the EOF record and all behind it: Hold, up to the end
};

/// From `offset` on bytes take this route, up to the next turn.
struct Turn {
  uint64_t offset = 0;
  Route route = Route::Pass;
};

/// What a restore knows and wants of a stream before it sees its first byte.
struct RouteOptions {
  HoldBack hold_back = HoldBack::AllButMemory;
  bool write_disks = false;  ///< sections that write disks are restored
  bool accept_damaged_description = false;
  bool has_memory = false;  ///< see GuardOptions
  std::string target = {};  ///< QEMU's own word for its processor; empty where nobody asked
  /// Whether its capability x-ignore-shared is on, with which it reads more of the block list.
  std::optional<bool> ignores_shared = std::nullopt;
};

/// Turns the parser's events into turns. restore_places.h says where each record belongs; this says
/// what that means for a HoldBack, at this place of this stream.
class StreamRouter final : public StreamVisitor {
 public:
  explicit StreamRouter(RouteOptions options) : options_(std::move(options)) {}

  Status on_header(const StreamHeader& header) override;
  Status on_configuration(const Configuration& configuration) override;
  Status on_section(const SectionHeader& header) override;
  Status on_ram_blocks(const RamBlockList& list) override;
  Status on_page(const Page& page) override;
  Status on_ram_mark(RamMark mark, uint64_t offset) override;
  Status on_body(uint64_t offset, std::span<const std::byte> bytes) override;
  Status on_section_end(const SectionHeader& header, const SectionEnd& end) override;
  Status on_command(const Command& command) override;
  Status on_package_end(uint64_t offset) override;
  Status on_eof(uint64_t offset) override;
  Status on_problem(const Problem& problem) override;

  /// The turns so far, in order. Who walks by them removes them.
  std::deque<Turn>& turns() { return turns_; }
  /// From here on no route is known yet, though bytes may have been confirmed.
  std::optional<uint64_t> undecided_from() const { return undecided_from_; }
  /// The stream has ended: whether it holds all that its own commands promise, and contradicts
  /// itself nowhere.
  Status check_whole() const;
  /// What is wrong with the description alone.
  const std::optional<Error>& description_fault() const { return description_fault_; }
  /// Where the stream ends, its description left out. Known once EOF has been read.
  uint64_t end_of_sections() const { return end_of_sections_; }
  /// Whether the end of a device was guessed by what follows it: then a cut may pass for an end.
  bool guessed_ends() const { return guessed_ends_; }
  /// Whether something was left out, so that what is handed on is another stream.
  bool rebuilt() const { return rebuilt_; }

 private:
  Route route_of(SectionPlace place);
  Status note_section(const SectionHeader& header);
  bool is_sure(const SectionHeader& header) const;
  Route route_of_harmless();
  Route decide_memory();
  Status on_early_device(const SectionHeader& header);
  Status on_block_record(uint64_t offset, std::span<const std::byte> bytes);
  Status check_in_package(const SectionHeader& header) const;
  Status on_advice(const Command& command);
  Status on_discard(const Command& command);
  void doubt();
  void turn(uint64_t offset, Route route) { turns_.push_back({offset, route}); }
  void drop(uint64_t offset);

  RouteOptions options_;
  std::deque<Turn> turns_;
  std::optional<uint64_t> undecided_from_;
  std::optional<uint32_t> page_bytes_;  // where certain
  std::vector<RamBlock> blocks_;
  DiscardLedger ledger_;
  SentMemory memory_;

  SectionPlace place_ = SectionPlace::Memory;  // of the open section
  uint64_t section_offset_ = 0;                // of it
  bool in_start_ = false;                      // it is a START
  bool disks_touched_ = false;
  bool in_order_ = false;    // nothing overtakes any more
  bool configured_ = false;  // a configuration has come
  std::unordered_set<uint32_t> used_ids_;
  bool memory_begun_ = false;  // ram has been opened
  bool pages_begun_ = false;
  bool listed_ = false;  // the list of RAM blocks has come
  bool something_waits_ = false;
  bool advised_ = false;  // the block list has page sizes that only a postcopy load reads
  bool in_package_ = false;
  bool opened_package_ = false;
  bool has_run_ = false;  // RUN has been seen in the open package
  bool rebuilt_ = false;
  bool guessed_ends_ = false;
  uint64_t end_of_sections_ = 0;
  std::optional<Error> contradiction_;      // the first
  std::optional<Error> description_fault_;  // likewise
};

}  // namespace vmstream
