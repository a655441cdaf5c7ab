// SPDX-License-Identifier: MIT
// The index of a file: the one that it has, or one that is made by reading all of it.
#include <algorithm>
#include <utility>

#include <vmstream/indexing.h>
#include <vmstream/parser.h>
#include "codec/gzip/resume_points.h"
#include "codec/random_decoder.h"
#include "io/wait.h"
#include "state/recognise.h"
#include "state/state_file_state.h"
#include "state/unwrapping.h"

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

// Whether any index could make a file of these layers readable by position.
bool is_packed_once(const std::vector<Container>& containers) {
  constexpr size_t kPackedOnce = 2;  // and the stream itself
  return containers.size() <= kPackedOnce;
}

// A file that is read once, and what makes it readable by position afterwards. Blocks that can be
// found without decoding are looked up; of long gzip members resume points are noted on the way.
class WholeReading {
 public:
  static Result<WholeReading> open(std::unique_ptr<RandomSource> file, const OpenOptions& options);
  WholeReading(WholeReading&&) = default;

  const std::vector<Container>& containers() const { return stream_.containers; }
  /// Once; the source may be wrapped.
  std::unique_ptr<ByteSource> take_stream() { return std::move(stream_.plain); }

  Result<std::vector<std::byte>> serialise(const StateIndex& index) const {
    bool has_points = !points_->points.empty();
    return vmstream::serialise(index, {.blocks = blocks_ ? &*blocks_ : nullptr,
                                       .points = has_points ? points_.get() : nullptr,
                                       .mark = &mark_});
  }

 private:
  WholeReading() = default;

  std::unique_ptr<RandomSource> file_;
  FileMark mark_;
  std::optional<BlockTable> blocks_;
  std::unique_ptr<ResumePoints> points_ = std::make_unique<ResumePoints>();  // the stream fills it
  UnwrappedStream stream_;
};

Result<WholeReading> WholeReading::open(std::unique_ptr<RandomSource> file,
                                        const OpenOptions& options) {
  WholeReading reading;
  reading.file_ = std::move(file);
  auto mark = FileMark::of(*reading.file_);
  if (!mark) return mark.error();
  reading.mark_ = *mark;
  std::vector<std::byte> head(
      static_cast<size_t>(std::min<uint64_t>(mark->bytes, kRecogniseBytes)));
  if (auto read = reading.file_->read_at(0, head); !read) return read.error();
  auto coding = recognise_coding(head);
  if (coding) {
    auto blocks = find_blocks(*coding, *reading.file_);
    if (blocks) reading.blocks_ = std::move(*blocks);
  }
  auto bytes = make_stretch_source(*reading.file_, 0, mark->bytes);
  bool note = coding == Coding::Gzip && !reading.blocks_;
  if (note) {
    bytes =
        make_noting_decoder(std::move(bytes), *reading.points_, {.limits = options.decode.limits});
  }
  auto stream = unwrap(std::move(bytes), options);
  if (!stream) return stream.error();
  reading.stream_ = std::move(*stream);
  if (note) reading.stream_.containers.insert(reading.stream_.containers.begin(), {"gzip"});
  return reading;
}

std::string reason_of(const SeekableState* file) {
  if (file && file->index_fault) return describe(*file->index_fault);
  return file && file->index ? "the index lacks the places of pages" : "it carries no index";
}

}  // namespace

Result<MadeIndex> StateFile::make_index(const IndexingOptions& options) {
  if (!can_be_reread()) return Error{Errc::Unsupported, "cannot be read by position"};
  OpenOptions how = state_->options;
  if (options.for_positions) how.decrypt = false;
  auto reading = WholeReading::open(state_->reader(), how);
  if (!reading && options.for_positions && reading.error().code == Errc::Unsupported) {
    return no_positions(reading.error().message);
  }
  if (!reading) return reading.error();
  if (options.for_positions && !is_packed_once(reading->containers())) return no_positions();
  auto stream = reading->take_stream();
  auto digests = std::make_shared<PieceDigests>(PieceDigests::Of::Stream);
  if (options.prove) stream = make_noting_source(std::move(stream), digests);
  auto index = options.read ? options.read(*stream) : read_index(*stream);
  stream.reset();
  if (!index) return index.error();
  if (options.prove) {
    if (auto sealed = digests->seal(); !sealed) return sealed.error();
    state_->stream_digests = std::move(digests);
  }
  auto bytes = reading->serialise(*index);
  if (!bytes) return bytes.error();
  MadeIndex made{.index = std::make_shared<const StateIndex>(std::move(*index)),
                 .bytes = std::make_shared<const std::vector<std::byte>>(std::move(*bytes))};
  state_->containers = reading->containers();
  state_->made = made;
  state_->page_index = made.index;
  state_->seek_anew();
  state_->made->by_position = made.by_position = bool(random());
  if (options.for_positions && !made.by_position) {
    if (auto within = check_limits(state_->limits(), "input"); !within) return within.error();
    return no_positions();
  }
  return made;
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
