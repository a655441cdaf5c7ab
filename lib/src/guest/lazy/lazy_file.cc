// SPDX-License-Identifier: MIT
#include <vmstream/lazy_restore.h>
#include "guest/lazy/lazy_reader.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "guest/restore/restore_places.h"
#include "io/wait.h"

namespace vmstream {
namespace {

constexpr uint32_t kRamVersion = 4;
constexpr const char* kOrUnpack =
    ", or unpack it first: vmstream-inspect extract stream FILE -o X";

// The way out is told by with_hint().
Error unsupported(std::string message) {
  return Error{.code = Errc::Unsupported, .message = std::move(message)};
}

std::string way_out(const LazyFileOptions& options) {
  return "restore it without " + options.wanted_by;
}

Status check_blocks(const StateFacts& facts, const LazyFileOptions& options) {
  if (facts.blocks.empty() || facts.target_page_size == 0)
    return unsupported("the stream holds no guest memory");
  if (facts.ram_version != kRamVersion) {
    return unsupported(
        fmt::format("ram section of version {}, wanted {}", facts.ram_version, kRamVersion));
  }
  bool shared = std::ranges::any_of(facts.blocks, [](const IndexedBlock& entry) {
    return entry.block.guest_address.has_value();
  });
  if (shared) return unsupported("the stream was saved with x-ignore-shared");
  if (facts.postcopy && !options.takes_postcopy)
    return unsupported("the stream itself is one of a postcopy migration");
  return ok();
}

// A slice without a chunk holds the word that ends it, and one of progress at most.
Status check_disks(const std::vector<IndexedRecord>& records, const LazyFileOptions& options) {
  constexpr uint64_t kMostWordsBytes = 16;
  auto writes = std::ranges::find_if(records, [](const IndexedRecord& record) {
    return record.idstr == "block" && record.body_length > kMostWordsBytes;
  });
  if (writes == records.end()) return ok();
  return Error{.code = Errc::Refused,
               .message =
                   "the stream carries contents of disks, which a lazy restore would write "
                   "before the file has been read",
               .offset = writes->offset,
               .hint = way_out(options) + " and with --write-disks"};
}

Status check_sections(const std::vector<IndexedRecord>& records) {
  for (const IndexedRecord& record : records) {
    auto possible = check_section({.type = record.type,
                                   .offset = record.offset,
                                   .section_id = record.section_id,
                                   .idstr = record.idstr});
    if (!possible) return possible;
  }
  return ok();
}

Status check_index(const StateIndex& index, const LazyFileOptions& options) {
  if (!index.records || !index.pages) {
    return unsupported(index.facts.left_out.empty()
                           ? "the stream's index is not complete"
                           : "the stream's index leaves out " + index.facts.left_out.front());
  }
  if (!index.facts.complete) return Error{Errc::Truncated, "the stream is not complete"};
  if (auto possible = check_sections(*index.records); !possible) return possible;
  if (auto harmless = check_disks(*index.records, options); !harmless) return harmless;
  return check_blocks(index.facts, options);
}

// By the index that the file has, or that is made while all of it is judged.
Result<std::shared_ptr<const StateIndex>> find_index(StateFile& file,
                                                     const LazyFileOptions& options) {
  if (!options.judge) return file.page_index(options.observer);
  auto made = file.make_index({.read = options.judge, .for_positions = true, .prove = true});
  if (!made) return made.error();
  return made->index;
}

Error with_hint(Error error, const LazyFileOptions& options, const std::string& also = "") {
  if (error.code == Errc::Unsupported && error.hint.empty()) error.hint = way_out(options) + also;
  return error;
}

}  // namespace

// Whether it can be read at all, and whether QEMU can take the stream this way. What that has left
// in memory is of no use to readers.
Result<LazyFile> LazyFile::open(StateFile file, const LazyFileOptions& options) {
  auto index = find_index(file, options);
  if (!index) return with_hint(index.error(), options, kOrUnpack);
  if (auto usable = check_index(**index, options); !usable) {
    return with_hint(usable.error(), options);
  }
  if (auto plain = file.random(); !plain) return with_hint(plain.error(), options, kOrUnpack);
  auto fresh = file.again();
  if (!fresh) return fresh.error();
  return LazyFile(std::move(*fresh), std::move(*index));
}

Result<LazyReader> LazyFile::open_reader(size_t cache_bytes, WaitLimits limits) const {
  OpenOptions how;
  how.decode.limits = limits;
  how.cache_bytes = cache_bytes;
  auto file = file_->again(std::move(how));
  if (!file) return file.error();
  auto plain = file->random();
  if (auto within = check_limits(limits, "input"); !within) return within.error();
  if (!plain) return Error{Errc::Environment, "the file has changed since it was opened"};
  auto image = RamImage::make(**plain, index_);
  if (!image) return image.error();
  return LazyReader{std::move(*file), *plain, std::move(*image)};
}

}  // namespace vmstream
