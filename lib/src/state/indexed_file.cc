// SPDX-License-Identifier: MIT
#include "state/indexed_file.h"

#include <optional>
#include <utility>

#include <vmstream/index_builder.h>
#include <vmstream/parser.h>

namespace vmstream {
namespace {

constexpr const char* kNoForm = "its form does not allow it";

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

std::optional<IndexedFile> carried_index(const std::optional<SeekableState>& state) {
  if (!state || !state->index || !state->plain()) return std::nullopt;
  auto index = state->index->read();
  if (!index || !tells_pages(*index)) return std::nullopt;
  return IndexedFile{state->containers, std::move(*index)};
}

std::string reason_of(const std::optional<SeekableState>& state) {
  if (state && state->index_fault) return describe(*state->index_fault);
  return state && state->index ? "the index lacks the places of pages" : "it carries no index";
}

// Makes the index of a file while all of it is read.
class Indexing {
 public:
  Indexing(const OpenedFile& file, const IndexSearch& search,
           const std::optional<SeekableState>& state)
      : file_(file), search_(search), state_(state) {}

  // Of a file that will be refused it is not said that it is read.
  Result<IndexedFile> run() {
    bool is_seekable = state_ && state_->plain();
    return is_seekable ? index_stream() : index_whole();
  }

 private:
  Result<IndexedFile> index_stream() {
    auto whole = make_stretch_source(*state_->plain(), 0, state_->plain()->length());
    auto index = read_through(*whole);
    if (!index) return index.error();
    return IndexedFile{state_->containers, std::move(*index)};
  }

  // Of a file that only its index makes readable by position.
  Result<IndexedFile> index_whole() {
    auto maker = open_for_index(file_, {.limits = search_.limits}, search_.way_out);
    if (!maker) return maker.error();
    auto index = read_through(maker->plain());
    if (!index) return index.error();
    if (!maker->allows_positions()) return no_positions(kNoForm, search_.way_out);
    auto bytes = maker->finish(*index);
    if (!bytes) return bytes.error();
    auto made = std::make_shared<const std::vector<std::byte>>(std::move(*bytes));
    return IndexedFile{maker->containers(), std::move(*index), std::move(made)};
  }

  Result<StateIndex> read_through(ByteSource& plain) {
    auto start = Clock::now();
    if (search_.observer.on_begin) search_.observer.on_begin(reason_of(state_));
    auto index = read_index(plain);
    if (index && search_.observer.on_end) search_.observer.on_end(Clock::now() - start);
    return index;
  }

  const OpenedFile& file_;
  const IndexSearch& search_;
  const std::optional<SeekableState>& state_;
};

}  // namespace

bool tells_pages(const StateIndex& index) {
  return index.records && index.pages;
}

Error no_positions(const std::string& reason, const std::string& way_out) {
  return Error{.code = Errc::Unsupported,
               .message = "the file cannot be read by position: " + reason,
               .hint = way_out};
}

Result<IndexedFile> index_file(const OpenedFile& file, const IndexSearch& search) {
  auto state = open_seekable_state(file.reader(search.limits),
                                   {.sidecar = search.sidecar, .limits = search.limits});
  if (auto carried = carried_index(state)) return std::move(*carried);
  return Indexing(file, search, state).run();
}

Result<SidecarMaker> open_for_index(const OpenedFile& file, DecodeOptions decode,
                                    const std::string& way_out) {
  auto maker = SidecarMaker::open(file.reader(decode.limits), {.decode = decode, .decrypt = false});
  if (!maker && maker.error().code == Errc::Unsupported) {
    return no_positions(maker.error().message, way_out);
  }
  constexpr size_t kPackedOnce = 2;  // and the stream itself
  if (maker && maker->containers().size() > kPackedOnce) return no_positions(kNoForm, way_out);
  return maker;
}

}  // namespace vmstream
