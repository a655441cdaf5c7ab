// SPDX-License-Identifier: MIT
// What the main stream of a multifd migration tells of its guest.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <vmstream/visitor.h>

namespace vmstream {

/// A bit a number, in chunks of 1 KiB that are made when one of their numbers comes.
class NumberSet {
 public:
  static constexpr uint64_t kChunkNumbers = 8192;
  static constexpr uint64_t kChunkBytes = kChunkNumbers / 8 + 64;  // with its node

  /// False where it was in.
  bool insert(uint64_t number);
  uint64_t size() const { return size_; }
  /// Of the numbers from 0 on, the first that is not in.
  uint64_t first_missing() const;
  /// 0 for an empty set; else one more than the highest.
  uint64_t end() const { return end_; }
  uint64_t bytes() const { return chunks_.size() * kChunkBytes; }

 private:
  static constexpr uint64_t kWordBits = 64;
  using Chunk = std::array<uint64_t, kChunkNumbers / kWordBits>;

  std::map<uint64_t, Chunk> chunks_;  // by number / kChunkNumbers
  Chunk* last_ = nullptr;             // numbers come in runs
  uint64_t last_key_ = 0;
  uint64_t size_ = 0;
  uint64_t end_ = 0;
};

/// A RAM block of the list, and which of its pages somebody has sent.
struct SentBlock {
  std::string name;
  uint64_t bytes = 0;
  bool may_be_shared = false;  ///< x-ignore-shared: its pages may have stayed where they are
  NumberSet pages = {};
};

/// Collects the block list, the pages that came on the main channel, and what the channels must
/// agree with.
class MainFacts final : public StreamVisitor {
 public:
  /// `most_bytes`: of memory for the pages of all blocks.
  explicit MainFacts(uint64_t most_bytes) : most_bytes_(most_bytes) {}

  Status on_configuration(const Configuration& configuration) override;
  Status on_section(const SectionHeader& header) override;
  Status on_ram_blocks(const RamBlockList& list) override;
  Status on_page(const Page& page) override;
  Status on_ram_mark(RamMark mark, uint64_t offset) override;
  Status on_eof(uint64_t offset) override;
  Status on_vmdesc(const VmdescRecord& record) override;

  /// Errc::Unsupported where the channels cannot be read by what is known of pages.
  Status check_page_bytes() const;
  /// Errc::Unsupported once there were too many pages to know which of them came.
  const Status& within_limit() const { return within_limit_; }
  uint32_t page_bytes() const { return page_bytes_; }
  const std::optional<std::array<std::byte, 16>>& uuid() const { return uuid_; }
  /// Page records of the stream itself.
  uint64_t pages() const { return pages_; }
  uint64_t zero_pages() const { return zero_pages_; }
  std::vector<SentBlock>& blocks() { return blocks_; }
  /// Null for a name that is not in the list.
  SentBlock* find(std::string_view name);
  /// SYNC packets that a receiver waits for on each channel; 0 where the end of the stream has not
  /// come. It waits at every mark, of which the last SYNC has none (8.1 and later), or else at the
  /// end of every slice.
  uint64_t syncs() const;
  /// Whether a whole sender sends no more of them.
  bool syncs_are_exact() const { return flushes_ == 0; }
  /// The guest has a device for the sake of which senders leave pages out.
  bool may_lack_pages() const { return may_lack_pages_; }

  /// Marks the page at `offset`. Errc::Unsupported where that takes too much memory.
  Status send(SentBlock& block, uint64_t offset);

 private:
  std::string machine_;
  std::optional<uint32_t> certain_page_bytes_;
  uint32_t page_bytes_ = 4096;    // before the list has come: what most targets have
  uint32_t told_page_bytes_ = 0;  // by the description
  std::optional<std::array<std::byte, 16>> uuid_;
  std::vector<SentBlock> blocks_;
  std::map<std::string, size_t, std::less<>> by_name_;  // -> place in blocks_
  uint64_t pages_ = 0;
  uint64_t zero_pages_ = 0;
  uint64_t slices_ = 0;
  uint64_t flushes_ = 0;
  bool ended_ = false;
  bool may_lack_pages_ = false;
  uint64_t most_bytes_;
  uint64_t set_bytes_ = 0;
  Status within_limit_ = ok();
};

}  // namespace vmstream
