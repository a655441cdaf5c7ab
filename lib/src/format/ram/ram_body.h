// SPDX-License-Identifier: MIT
// The body of the ram section: block list, pages and marks, up to the end mark of each slice.
#pragma once

#include <map>
#include <optional>
#include <string>

#include <vmstream/parser.h>
#include "format/ram/mapped_area.h"
#include "format/records/section_table.h"
#include "format/records/window.h"
#include "format/wire.h"

namespace vmstream {

/// Reads ram bodies of one channel. The blocks and the block spoken of last survive from one body
/// to the next, as they do on the wire.
///
/// The page size, where nothing in the stream told it, is a guess that the first data page
/// confirms: the size is right behind which a well-formed record stands.
class RamBody {
 public:
  RamBody(StreamVisitor& visitor, const ParseLimits& limits)
      : visitor_(visitor), limits_(limits), mapped_area_(visitor, limits) {}

  /// What the configuration says of the section.
  void configure(const Configuration& configuration);
  void set_page_size(uint32_t bytes);  ///< for certain, not a guess
  uint32_t page_size() const { return page_bytes_; }
  bool knows_page_size() const { return page_size_known_; }  ///< false: it is a guess

  /// At the head of each START, PART and END.
  Status begin(const SectionHeader& header);
  Result<Step> step(const Window& window);
  /// Of the pages of a mapped-ram stream.
  void show(MappedPages shown) { mapped_area_.show(shown); }
  bool is_in_area() const { return at_ == At::MappedArea; }
  uint64_t skippable() const { return mapped_area_.skippable(); }
  Status skip(uint64_t count, uint64_t position);
  /// What QEMU makes of the place where step() has failed.
  LoadEffect effect_of_fault() const { return effect_of_fault_; }
  /// Whether the body has ended.
  bool done() const { return done_; }

  enum class Plausible { No, Yes, Unknown };
  /// Whether a row of records stands at the front of `window`: several pages by ascending offsets,
  /// or fewer up to an end mark with the end of the section behind it. Sure enough to take up
  /// reading there.
  Plausible check_row(Window window, const SectionTable& table) const;
  /// Forgets an error and what was half read. The next byte begins a record.
  void take_up();

 private:
  enum class At { Records, BlockList, MappedArea };

  struct Record {  // the front of a page record
    uint64_t kind = 0;
    size_t start = 0;
    size_t payload = 0;
  };

  Result<Step> take_records(const Window& window);
  Result<Step> fail_behind(size_t consumed, const Error& error);
  Result<Step> take_mark(const Window& window, size_t at, uint64_t word);
  Result<Step> take_block_entry(const Window& window);
  Result<Step> break_off_list(const ByteReader& in, const Window& window);
  bool is_believed(const RamBlock& block, uint64_t position) const;
  Status finish_block_list();
  void leave_area();
  Result<Step> begin_page(const Window& window, Record& record, uint64_t word);
  Result<Step> take_page(const Window& window, const Record& record);
  Result<Step> emit_page(const Window& window, const Record& record, size_t skip, size_t length);
  bool is_misplaced() const;
  Error misplaced(uint64_t at) const;
  Status select_block(std::string_view name, uint64_t at);
  const RamBlock* find_block(std::string_view name) const;
  Result<Step> confirm_page_size(const Window& window);
  Plausible check_end_of_slice(const Window& behind, const SectionTable& table) const;
  size_t record_length(const Window& window) const;
  Plausible check_record(const Window& window, uint64_t page_bytes) const;
  void guess_page_size(uint32_t bytes);

  StreamVisitor& visitor_;
  const ParseLimits& limits_;
  MappedArea mapped_area_;
  RamBlockList list_;
  std::map<std::string, size_t, std::less<>> index_;  // by name, into list_.blocks
  const RamBlock* block_ = nullptr;                   // the one spoken of last
  Page page_;
  At at_ = At::Records;
  uint32_t version_ = 0;  // of the section, once it has begun
  uint32_t page_bytes_ = 4096;
  uint64_t flag_mask_ = wire::kRamFlagMask;
  uint64_t list_left_ = 0;  // bytes that the entries to come sum up to
  bool page_size_known_ = false;
  bool ignore_shared_ = false;
  bool mapped_ram_ = false;
  bool done_ = false;
  std::optional<Error> failure_;
  LoadEffect effect_of_fault_ = LoadEffect::Refused;
};

}  // namespace vmstream
