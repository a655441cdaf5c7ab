// SPDX-License-Identifier: MIT
// The index of a file: the one that it has, or one that is made by reading all of it.
#include <algorithm>
#include <utility>

#include <vmstream/indexing.h>
#include <vmstream/parser.h>
#include "codec/gzip/resume_points.h"
#include "codec/random_decoder.h"
#include "io/wait.h"
#include "state/index_tables.h"
#include "state/open_contents.h"
#include "state/recognise.h"
#include "state/state_file_state.h"
#include "state/unwrapping.h"
#include "state/watched_source.h"

namespace vmstream {
namespace {

bool tells_pages(const StateIndex& index) {
  return index.records && index.pages;
}

Result<StateIndex> read_index(ByteSource& stream) {
  IndexBuilder builder;
  StreamParser parser(builder);
  for (;;) {
    auto bytes = stream.next();
    if (!bytes) return bytes.error();
    if (bytes->empty()) break;
    if (auto fed = parser.feed(*bytes); !fed) return fed.error();
  }
  if (auto finished = parser.finish(); !finished) return finished.error();
  return builder.finish(parser.offset(), parser.stream_length(), true);
}

class SharedSource final : public ByteSource {
 public:
  explicit SharedSource(std::shared_ptr<ByteSource> source) : source_(std::move(source)) {}
  Result<size_t> read(std::span<std::byte> into) override { return source_->read(into); }
  Result<std::span<const std::byte>> next() override { return source_->next(); }

 private:
  std::shared_ptr<ByteSource> source_;
};

// A file that is read once, and what makes it readable by position afterwards. Blocks that can be
// found without decoding are looked up; of long gzip members resume points are noted on the way.
class WholeReading {
 public:
  static Result<WholeReading> open(std::unique_ptr<RandomSource> file, const OpenOptions& options);
  WholeReading(WholeReading&&) = default;

  /// Whether the file's own form may allow positions, or what is noted on the way.
  bool allows_positions() const {
    auto within = std::span(containers()).subspan(contents_.size());
    within = within.first(within.size() - 1);  // the last is the stream itself
    if (within.empty()) return true;
    return (blocks_ || notes_) && std::ranges::all_of(within.subspan(1), has_content_in_front);
  }

  const std::vector<Container>& containers() const { return stream_.containers; }
  /// Once; the source may be wrapped.
  std::unique_ptr<ByteSource> take_stream() { return std::move(stream_.plain); }
  /// Reads what stands behind a stream that ends before what it is packed in: resume points are of
  /// all of that.
  Status read_rest() {
    if (!noting_) return ok();
    std::vector<std::byte> passed(64 * 1024);
    for (;;) {
      auto count = noting_->read(passed);
      if (!count) return FaultBorder(place_in_file(contents_)).placed(count.error());
      if (*count == 0) return ok();
    }
  }

  Result<std::vector<std::byte>> serialise(const StateIndex& index) const {
    bool has_blocks = blocks_ && allows_positions();
    bool has_points = !points_->points.empty() && allows_positions();
    return vmstream::serialise(index, {.blocks = has_blocks ? &*blocks_ : nullptr,
                                       .points = has_points ? points_.get() : nullptr,
                                       .mark = &mark_});
  }

 private:
  WholeReading() = default;

  std::unique_ptr<RandomSource> file_;
  std::vector<Content> contents_;
  FileMark mark_;
  std::optional<BlockTable> blocks_;
  bool notes_ = false;
  std::unique_ptr<ResumePoints> points_ = std::make_unique<ResumePoints>();  // the stream fills it
  std::shared_ptr<ByteSource> noting_;  // fills the points; `stream_` reads it
  UnwrappedStream stream_;
};

Result<WholeReading> WholeReading::open(std::unique_ptr<RandomSource> file,
                                        const OpenOptions& options) {
  WholeReading reading;
  reading.file_ = std::move(file);
  auto mark = FileMark::of(*reading.file_);
  if (!mark) return mark.error();
  reading.mark_ = *mark;
  auto contents = open_contents(*reading.file_, options.nesting);
  if (!contents) return contents.error();
  reading.contents_ = std::move(*contents);
  RandomSource& content = innermost(*reading.file_, reading.contents_);
  auto coding = recognise_coding(read_head(content));
  if (coding) {
    auto blocks = find_blocks(*coding, content);
    if (blocks) reading.blocks_ = std::move(*blocks);
  }
  auto bytes = make_stretch_source(content, 0, content.length());
  reading.notes_ = coding == Coding::Gzip && !reading.blocks_;
  auto outer = descriptions_of(reading.contents_);
  auto place = place_in_file(reading.contents_);
  if (reading.notes_) {
    outer.push_back({"gzip"});
    reading.noting_ =
        make_noting_decoder(std::move(bytes), *reading.points_, {.limits = options.decode.limits});
    bytes = std::make_unique<SharedSource>(reading.noting_);
    FaultBorder border(std::move(place));
    bytes = border.above(std::move(bytes));
    place = nowhere();
  }
  auto stream = unwrap(std::move(bytes), options, std::move(outer), std::move(place));
  if (!stream) return stream.error();
  reading.stream_ = std::move(*stream);
  return reading;
}

std::string reason_of(const SeekableState* file) {
  if (file && file->index_fault) return describe(*file->index_fault);
  if (!file || !file->index) return "it carries no index";
  return file->plain() ? "the index lacks the places of pages"
                       : "the index lacks the places of the file's blocks";
}

// What was proved before must come again.
Status seal_and_compare(PieceDigests& digests, const PieceDigests* before) {
  if (auto sealed = digests.seal(); !sealed) return sealed;
  if (!before || before->agrees_with(digests)) return ok();
  return Error{Errc::Malformed, "the file has changed since it was proved"};
}

}  // namespace

Result<MadeIndex> StateFile::make_index(const IndexingOptions& options) {
  if (!can_be_reread()) return Error{Errc::Unsupported, "cannot be read by position"};
  if (state_->parts) return state_->why_not();
  if (auto found = state_->look_inside(); !found) return found.error();
  bool for_positions = options.for_positions || options.prove;
  OpenOptions how = state_->options;
  if (for_positions) how.decrypt = false;
  auto reading = WholeReading::open(state_->proved_reader(), how);
  if (!reading && for_positions && reading.error().code == Errc::Unsupported) {
    return no_positions(reading.error().message);
  }
  if (!reading) return reading.error();
  // A table of another program may tell what the frames do not.
  bool may_have_positions = reading->allows_positions() || bool(random());
  if (for_positions && !may_have_positions) return no_positions();
  auto stream = reading->take_stream();
  auto digests = std::make_shared<PieceDigests>(PieceDigests::Of::Stream);
  bool note = options.prove || state_->stream_digests;
  if (note) stream = make_noting_source(std::move(stream), digests);
  WatchedSource watched(*stream);
  auto index = options.read ? options.read(watched) : read_index(watched);
  if (!index) return index.error();
  if (auto whole = watched.require_end(); !whole) return whole.error();
  stream.reset();
  if (auto rest = reading->read_rest(); !rest) return rest.error();
  if (note) {
    auto same = seal_and_compare(*digests, state_->stream_digests.get());
    if (!same) return same.error();
  }
  auto bytes = reading->serialise(*index);
  if (!bytes) return bytes.error();
  MadeIndex made{.index = std::make_shared<const StateIndex>(std::move(*index)),
                 .bytes = std::make_shared<const std::vector<std::byte>>(std::move(*bytes))};
  state_->set_containers(reading->containers());
  return state_->use(made, options.prove ? std::move(digests) : nullptr, for_positions);
}

// Where the file cannot be read by it, nothing changes that is asked by position.
Result<MadeIndex> StateFile::State::use(const MadeIndex& index,
                                        std::shared_ptr<const PieceDigests> digests,
                                        bool for_positions) {
  auto before = std::exchange(made, index);
  auto proved_before = stream_digests;
  if (digests) stream_digests = std::move(digests);
  seek_anew();
  SeekableState* file = seek();
  made->by_position = file && file->plain();
  if (made->by_position || !for_positions) {
    if (made->by_position) page_index = made->index;
    return *made;
  }
  if (auto within = check_limits(limits(), "input"); !within) return within.error();
  made = std::move(before);
  stream_digests = std::move(proved_before);
  seek_anew();
  return no_positions();
}

Result<std::shared_ptr<const StateIndex>> StateFile::page_index(const IndexingObserver& observer) {
  if (state_->page_index) return state_->page_index;
  SeekableState* file = state_->seek();
  bool has_positions = file && file->plain();
  if (has_positions && file->index) {
    auto index = file->index->read();
    if (index && tells_pages(*index)) {
      state_->page_index = std::make_shared<const StateIndex>(std::move(*index));
      return state_->page_index;
    }
  }
  auto read_observed = [&, reason = reason_of(file)](ByteSource& stream) -> Result<StateIndex> {
    auto start = Clock::now();
    if (observer.on_begin) observer.on_begin(reason);
    auto index = read_index(stream);
    if (index && observer.on_end) observer.on_end(Clock::now() - start);
    return index;
  };
  auto made = make_index({.read = read_observed, .for_positions = true});
  if (!made) return made.error();
  if (!has_positions) state_->new_sidecar = made->bytes;
  return made->index;
}

}  // namespace vmstream
