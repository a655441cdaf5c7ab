// SPDX-License-Identifier: MIT
#include <vmstream/lazy_file.h>

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <utility>

#include <vmstream/index_builder.h>
#include <vmstream/output_file.h>
#include <vmstream/parser.h>
#include <vmstream/sidecar.h>

namespace vmstream {
namespace {

constexpr uint32_t kRamVersion = 4;
constexpr const char* kWayOut = "restore it without --lazy";

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

Status write_sidecar(const std::string& path, std::span<const std::byte> bytes) {
  auto file = OutputFile::create(path, Overwrite::Replace);
  if (!file) return file.error();
  if (auto written = (*file)->write(bytes); !written) return written;
  return (*file)->commit_file();
}

Error no_positions(const std::string& reason) {
  return unsupported("the file cannot be read by position: " + reason,
                     "restore it without --lazy, or unpack it with vmrestore -o first");
}

Result<SidecarMaker> open_maker(const std::string& path) {
  auto maker = SidecarMaker::open(path, {.decrypt = false});
  bool refused = !maker && maker.error().code == Errc::Unsupported;
  return refused ? no_positions(maker.error().message) : std::move(maker);
}

// Reads the file through and leaves a sidecar that makes it readable by position.
Status make_sidecar(SidecarMaker& maker, const std::string& sidecar) {
  auto index = read_index(maker.plain());
  if (!index) return index.error();
  if (!maker.allows_positions()) return no_positions("its form does not allow it");
  auto bytes = maker.finish(*index);
  if (!bytes) return bytes.error();
  auto written = write_sidecar(sidecar, *bytes);
  if (written) return written;
  Error error = written.error();
  error.message = fmt::format("the index cannot be kept beside the file: {}", error.message);
  error.hint = kWayOut;
  return error;
}

// Whether an index tells what is needed here.
bool suffices(const StateIndex& index) {
  return index.records && index.pages;
}

struct Indexed {
  std::vector<Container> containers;
  StateIndex index;
};

std::optional<Indexed> carried_index(const std::optional<SeekableState>& state) {
  if (!state || !state->index || !state->plain()) return std::nullopt;
  auto index = state->index->read();
  if (!index || !suffices(*index)) return std::nullopt;
  return Indexed{state->containers, std::move(*index)};
}

Result<Indexed> index_beside(SidecarMaker& maker, const std::string& path,
                             const std::string& sidecar) {
  if (auto made = make_sidecar(maker, sidecar); !made) return made.error();
  auto indexed = carried_index(open_seekable_state(path, {}, sidecar));
  if (!indexed) return no_positions("its index does not allow it");
  return std::move(*indexed);
}

Result<Indexed> index_in_memory(const SeekableState& state) {
  auto whole = make_stretch_source(*state.plain(), 0, state.plain()->length());
  auto index = read_index(*whole);
  if (!index) return index.error();
  return Indexed{state.containers, std::move(*index)};
}

std::string reason_of(const std::optional<SeekableState>& state) {
  if (state && state->index_fault) return describe(*state->index_fault);
  return state && state->index ? "the index lacks the places of pages" : "it carries no index";
}

// Reads the file through. Of a file that will be refused it is not said that it is read.
Result<Indexed> make_index(const std::string& path, const std::string& sidecar,
                           const std::optional<SeekableState>& state,
                           const IndexingObserver& observer) {
  std::optional<SidecarMaker> maker;  // of a file that only its index makes readable by position
  if (!state || !state->plain()) {
    auto opened = open_maker(path);
    if (!opened) return opened.error();
    maker.emplace(std::move(*opened));
  }
  auto start = Clock::now();
  if (observer.on_begin) observer.on_begin(reason_of(state));
  auto indexed = maker ? index_beside(*maker, path, sidecar) : index_in_memory(*state);
  if (indexed && observer.on_end) observer.on_end(Clock::now() - start, maker ? sidecar : "");
  return indexed;
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

Status check_index(const StateIndex& index) {
  if (!suffices(index)) {
    return unsupported(index.facts.left_out.empty()
                           ? "the stream's index is not complete"
                           : "the stream's index leaves out " + index.facts.left_out.front());
  }
  if (!index.facts.complete) return Error{Errc::Truncated, "the stream is not complete"};
  return check_blocks(index.facts);
}

}  // namespace

LazyFile::LazyFile(std::string path, std::string sidecar, std::vector<Container> containers,
                   StateIndex index)
    : path_(std::move(path)),
      sidecar_(std::move(sidecar)),
      containers_(std::move(containers)),
      index_(std::make_shared<const StateIndex>(std::move(index))) {}

Result<LazyFile> LazyFile::open(const std::string& path, const IndexingObserver& observer,
                                std::string sidecar) {
  if (auto file = open_random_file(path); !file) return file.error();
  if (sidecar.empty()) sidecar = sidecar_path(path);
  auto state = open_seekable_state(path, {}, sidecar);
  auto indexed = carried_index(state);
  if (!indexed) {
    auto made = make_index(path, sidecar, state, observer);
    if (!made) return made.error();
    indexed.emplace(std::move(*made));
  }
  if (auto usable = check_index(indexed->index); !usable) return usable.error();
  return LazyFile(path, std::move(sidecar), std::move(indexed->containers),
                  std::move(indexed->index));
}

Result<LazyReader> LazyFile::open_reader(size_t cache_bytes) const {
  auto state = open_seekable_state(path_, {.cache_bytes = cache_bytes}, sidecar_);
  if (!state || !state->plain()) {
    return Error{Errc::Environment, "the file has changed since it was opened"};
  }
  auto image = RamImage::make(*state->plain(), index_);
  if (!image) return image.error();
  return LazyReader{std::move(*state), std::move(*image)};
}

}  // namespace vmstream
