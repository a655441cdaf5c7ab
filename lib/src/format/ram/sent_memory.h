// SPDX-License-Identifier: MIT
// Whether a stream holds the memory that its block list announces.
#pragma once

#include <algorithm>
#include <cstdint>
#include <string>

#include <vmstream/format.h>
#include <vmstream/result.h>
#include "format/ram/list_progress.h"

namespace vmstream {

/// Told of a stream's records. The main connection of a multifd migration looks whole, but has the
/// zero pages at most: those with content went over other connections.
class SentMemory {
 public:
  void on_configuration(const Configuration& configuration) {
    const auto& names = configuration.capabilities;
    stays_outside_ = names && std::ranges::find(*names, "x-ignore-shared") != names->end();
  }
  void on_section(const SectionHeader& header) {
    has_end_ |= header.type == SectionType::End && header.idstr == "ram";
    may_be_unplugged_ |= header.idstr.find("virtio-mem") != std::string::npos;
  }
  void on_ram_blocks(const RamBlockList& list) {
    if (list.blocks.empty()) return;
    auto added = list_.new_entries(list);
    if (added.size() == list.blocks.size()) announced_bytes_ = 0;
    for (const RamBlock& block : added) announced_bytes_ += block.used_length;
    has_fixed_places_ = list.blocks.back().mapped.has_value();
    offset_ = list.offset;
  }
  void on_page(const Page& page) {
    has_content_ |= page.kind != PageKind::Zero;
    sent_bytes_ += page.size;
  }

  /// No page has content, and the zero pages are fewer than all: known at the stream's end.
  bool is_elsewhere() const {
    return !has_content_ && !stays_outside_ && sent_bytes_ < announced_bytes_;
  }
  /// The last of the memory is missing: no END has come, and fewer pages than are announced. A
  /// background snapshot has no END either, but every page; not so memory that is unplugged. Not
  /// to be asked in postcopy.
  bool lacks_end() const {
    bool may_lack_pages = stays_outside_ || has_fixed_places_ || may_be_unplugged_;
    return !has_end_ && !may_lack_pages && sent_bytes_ < announced_bytes_;
  }
  uint64_t missing_bytes() const { return announced_bytes_ - sent_bytes_; }  ///< at least
  /// Errc::Unsupported for such a stream, where the guest itself is wanted.
  Status check() const {
    if (!is_elsewhere()) return ok();
    return Error{Errc::Unsupported,
                 "the guest's memory is not in this stream: its pages went over other connections "
                 "(multifd)",
                 offset_};
  }
  /// Of the block list.
  uint64_t offset() const { return offset_; }

 private:
  bool stays_outside_ = false;     // in memory that is shared
  bool has_fixed_places_ = false;  // pages of zeros are not stored
  bool may_be_unplugged_ = false;
  bool has_end_ = false;
  bool has_content_ = false;
  ListProgress list_;
  uint64_t sent_bytes_ = 0;  // more where pages came again
  uint64_t announced_bytes_ = 0;
  uint64_t offset_ = 0;
};

}  // namespace vmstream
