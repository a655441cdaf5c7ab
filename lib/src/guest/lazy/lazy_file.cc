// SPDX-License-Identifier: MIT
#include <vmstream/lazy_file.h>

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <utility>

#include <vmstream/index_builder.h>
#include <vmstream/parser.h>
#include <vmstream/sidecar.h>
#include "guest/restore/restore_places.h"
#include "io/wait.h"

namespace vmstream {
namespace {

constexpr uint32_t kRamVersion = 4;
constexpr const char* kWayOut = "restore it without --lazy";
constexpr const char* kNoForm = "its form does not allow it";

Error unsupported(std::string message, std::string hint = kWayOut) {
  return Error{.code = Errc::Unsupported, .message = std::move(message), .hint = std::move(hint)};
}

// A stream that breaks off or is damaged gets no index: the error is the parser's.
Result<StateIndex> read_index(ByteSource& plain) {
  IndexBuilder builder;
  StreamParser parser(builder);
  for (;;) {
    auto bytes = plain.next();
    if (!bytes) return bytes.error();
    if (bytes->empty()) break;
    if (auto fed = parser.feed(*bytes); !fed) return fed.error();
  }
  if (auto finished = parser.finish(); !finished) return finished.error();
  return builder.finish(parser.offset(), parser.stream_length(), true);
}

Error no_positions(const std::string& reason) {
  return unsupported("the file cannot be read by position: " + reason,
                     "restore it without --lazy, or unpack it with vmrestore -o first");
}

// Whether an index tells what is needed here.
bool suffices(const StateIndex& index) {
  return index.records && index.pages;
}

// An index, and what readers need so that they find the stream that it is of.
struct Indexed {
  std::vector<Container> containers;
  StateIndex index;
  std::shared_ptr<const std::vector<std::byte>> made = nullptr;  // see LazyFile::new_sidecar()
};

std::optional<Indexed> carried_index(const std::optional<SeekableState>& state) {
  if (!state || !state->index || !state->plain()) return std::nullopt;
  auto index = state->index->read();
  if (!index || !suffices(*index)) return std::nullopt;
  return Indexed{state->containers, std::move(*index)};
}

std::string reason_of(const std::optional<SeekableState>& state) {
  if (state && state->index_fault) return describe(*state->index_fault);
  return state && state->index ? "the index lacks the places of pages" : "it carries no index";
}

// Makes the index of a file while all of it is read.
class Indexing {
 public:
  Indexing(const OpenedFile& file, const LazyFileOptions& options,
           const std::optional<SeekableState>& state)
      : file_(file), options_(options), state_(state) {}

  // Of a file that will be refused it is not said that it is read.
  Result<Indexed> run() {
    bool is_seekable = state_ && state_->plain();
    return is_seekable ? index_stream() : index_file();
  }

 private:
  Result<Indexed> index_stream() {
    auto whole = make_stretch_source(*state_->plain(), 0, state_->plain()->length());
    auto index = read_through(*whole);
    if (!index) return index.error();
    return Indexed{state_->containers, std::move(*index)};
  }

  // Of a file that only its index makes readable by position.
  Result<Indexed> index_file() {
    auto maker = LazyFile::open_whole(file_, {.limits = options_.limits});
    if (!maker) return maker.error();
    auto index = read_through(maker->plain());
    if (!index) return index.error();
    if (!maker->allows_positions()) return no_positions(kNoForm);
    auto bytes = maker->finish(*index);
    if (!bytes) return bytes.error();
    auto made = std::make_shared<const std::vector<std::byte>>(std::move(*bytes));
    return Indexed{maker->containers(), std::move(*index), std::move(made)};
  }

  Result<StateIndex> read_through(ByteSource& plain) {
    auto start = Clock::now();
    if (options_.observer.on_begin) options_.observer.on_begin(reason_of(state_));
    auto index = read_index(plain);
    if (index && options_.observer.on_end) options_.observer.on_end(Clock::now() - start);
    return index;
  }

  const OpenedFile& file_;
  const LazyFileOptions& options_;
  const std::optional<SeekableState>& state_;
};

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
  if (!suffices(index)) {
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
  auto state = open_seekable_state(file.reader(options.limits),
                                   {.sidecar = options.sidecar, .limits = options.limits});
  auto indexed = carried_index(state);
  if (!indexed) {
    auto made = Indexing(file, options, state).run();
    if (!made) return made.error();
    indexed.emplace(std::move(*made));
  }
  SeekableOptions how{.sidecar = std::move(options.sidecar), .index = indexed->made};
  LazyFile lazy(file, std::move(how), std::move(indexed->containers), std::move(indexed->index));
  lazy.new_sidecar_ = std::move(indexed->made);
  return lazy.checked(options.limits);
}

Result<SidecarMaker> LazyFile::open_whole(const OpenedFile& file, DecodeOptions decode) {
  auto maker = SidecarMaker::open(file.reader(decode.limits), {.decode = decode, .decrypt = false});
  if (!maker && maker.error().code == Errc::Unsupported) {
    return no_positions(maker.error().message);
  }
  constexpr size_t kPackedOnce = 2;  // and the stream itself
  if (maker && maker->containers().size() > kPackedOnce) return no_positions(kNoForm);
  return maker;
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
  if (!state || !state->plain()) return no_positions(kNoForm);
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
