// SPDX-License-Identifier: MIT
#include <vmstream/lazy_file.h>

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "guest/restore/restore_places.h"
#include "io/wait.h"
#include "state/indexed_file.h"

namespace vmstream {
namespace {

constexpr uint32_t kRamVersion = 4;
constexpr const char* kWayOut = "restore it without --lazy";
constexpr const char* kNoForm = "its form does not allow it";
constexpr const char* kUnpack = "restore it without --lazy, or unpack it with vmrestore -o first";

Error unsupported(std::string message, std::string hint = kWayOut) {
  return Error{.code = Errc::Unsupported, .message = std::move(message), .hint = std::move(hint)};
}

Status check_blocks(const StateFacts& facts) {
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
  if (facts.postcopy) return unsupported("the stream itself is one of a postcopy migration");
  return ok();
}

// A slice without a chunk holds the word that ends it, and one of progress at most.
Status check_disks(const std::vector<IndexedRecord>& records) {
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
               .hint = "restore it without --lazy and with --write-disks"};
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

Status check_index(const StateIndex& index) {
  if (!tells_pages(index)) {
    return unsupported(index.facts.left_out.empty()
                           ? "the stream's index is not complete"
                           : "the stream's index leaves out " + index.facts.left_out.front());
  }
  if (!index.facts.complete) return Error{Errc::Truncated, "the stream is not complete"};
  if (auto possible = check_sections(*index.records); !possible) return possible;
  if (auto harmless = check_disks(*index.records); !harmless) return harmless;
  return check_blocks(index.facts);
}

}  // namespace

LazyFile::LazyFile(const OpenedFile& file, SeekableOptions how, std::vector<Container> containers,
                   StateIndex index)
    : file_(file),
      how_(std::move(how)),
      containers_(std::move(containers)),
      index_(std::make_shared<const StateIndex>(std::move(index))) {}

Result<LazyFile> LazyFile::open(const OpenedFile& file, LazyFileOptions options) {
  if (options.proof) return open_proved(file, std::move(*options.proof), options.limits);
  auto indexed = index_file(file, {.observer = std::move(options.observer),
                                   .sidecar = options.sidecar,
                                   .limits = options.limits,
                                   .way_out = kUnpack});
  if (!indexed) return indexed.error();
  SeekableOptions how{.sidecar = std::move(options.sidecar), .index = indexed->made};
  LazyFile lazy(file, std::move(how), std::move(indexed->containers), std::move(indexed->index));
  lazy.new_sidecar_ = std::move(indexed->made);
  return lazy.checked(options.limits);
}

Result<SidecarMaker> LazyFile::open_whole(const OpenedFile& file, DecodeOptions decode) {
  return open_for_index(file, decode, kUnpack);
}

Result<LazyFile> LazyFile::open_proved(const OpenedFile& file, LazyProof proof, WaitLimits limits) {
  SeekableOptions how{.index = std::move(proof.index_bytes), .digests = std::move(proof.digests)};
  return LazyFile(file, std::move(how), std::move(proof.containers), std::move(proof.index))
      .checked(limits);
}

// Whether QEMU can take the stream this way, and whether it can be read at all.
Result<LazyFile> LazyFile::checked(WaitLimits limits) {
  if (auto usable = check_index(*index_); !usable) return usable.error();
  auto state = open_seekable_state(file_.reader(limits), how_);
  if (auto within = check_limits(limits, "input"); !within) return within.error();
  if (!state || !state->plain()) return no_positions(kNoForm, kUnpack);
  return std::move(*this);
}

Result<LazyReader> LazyFile::open_reader(size_t cache_bytes, WaitLimits limits) const {
  SeekableOptions how = how_;
  how.decode.cache_bytes = cache_bytes;
  how.limits = limits;
  auto state = open_seekable_state(file_.reader(limits), how);
  if (auto within = check_limits(limits, "input"); !within) return within.error();
  if (!state || !state->plain()) {
    return Error{Errc::Environment, "the file has changed since it was opened"};
  }
  auto image = RamImage::make(*state->plain(), index_);
  if (!image) return image.error();
  return LazyReader{std::move(*state), std::move(*image)};
}

}  // namespace vmstream
