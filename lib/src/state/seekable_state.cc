// SPDX-License-Identifier: MIT
#include "state/seekable_state.h"

#include <fmt/format.h>

#include <algorithm>

#include "codec/gzip/resume_points.h"
#include "codec/random_decoder.h"
#include "codec/trailer/trailer.h"
#include "state/index_tables.h"
#include "state/recognise.h"
#include "state/sidecar_trust.h"

namespace vmstream {
namespace {

// An index may be older than its file, or of another: then it is as good as none.
Status check_mark(const IndexReader& index, RandomSource& file) {
  auto mark = index.read_mark();
  if (!mark) return mark.error();
  auto found = FileMark::of(file);
  if (!found) return found.error();
  if (*mark == *found) return ok();
  return Error{.code = Errc::Malformed,
               .message = "index: the file beside it is not the one that it was made for",
               .hint = "vmstream-inspect index makes it anew"};
}

using SharedBytes = std::shared_ptr<const std::vector<std::byte>>;

class SharedMemory final : public RandomSource {
 public:
  explicit SharedMemory(SharedBytes bytes)
      : bytes_(std::move(bytes)), source_(make_random_memory(*bytes_)) {}
  uint64_t length() const override { return source_->length(); }
  Status read_at(uint64_t offset, std::span<std::byte> into) override {
    return source_->read_at(offset, into);
  }

 private:
  SharedBytes bytes_;
  std::unique_ptr<RandomSource> source_;
};

// Fills in a state whose content is open.
class Opener {
 public:
  Opener(SeekableState& state, const SeekableOptions& options)
      : state_(state), coding_(state.coding.value_or(Coding::None)), options_(options) {}

  void run() {
    if (options_.index) {
      use_index(std::make_unique<SharedMemory>(options_.index), false);
    } else {
      use_carried();
      if (!state_.index && !options_.sidecar.empty()) use_sidecar(options_.sidecar);
    }
    if (coding_ != Coding::None) unpack();
    if (state_.unpacked) open_within();
    if (state_.index) check_length();
    if (options_.digests && state_.plain()) {
      state_.proved = make_proved_source(*state_.plain(), options_.digests);
    }
  }

 private:
  void use_carried() {
    auto trailer = read_trailer(coding_, state_.content());
    if (!trailer) state_.index_fault = trailer.error();
    if (!trailer || !*trailer) return;
    blocks_ = std::move((*trailer)->blocks);
    if ((*trailer)->index) use_index(std::move((*trailer)->index), false);
  }

  // The last resort beside an index that was made: its maker reads front to end, where frames need
  // not say their length.
  std::optional<BlockTable> carried_blocks() const {
    auto trailer = read_trailer(coding_, state_.content());
    return trailer && *trailer ? std::move((*trailer)->blocks) : std::nullopt;
  }

  void use_index(std::unique_ptr<RandomSource> bytes, bool beside) {
    auto index = IndexReader::open(*bytes);
    auto checked = !index   ? Status(index.error())
                   : beside ? check_mark(*index, *state_.file)
                            : ok();
    if (!checked) {
      state_.index_fault = checked.error();
      return;
    }
    state_.index_bytes = std::move(bytes);
    state_.index.emplace(std::move(*index));
  }

  void use_sidecar(const std::string& path) {
    auto bytes = open_sidecar(path, state_.file->owner(), options_.limits);
    if (!bytes) {
      state_.index_fault = bytes.error();
    } else if (*bytes) {
      use_index(std::move(*bytes), true);
    }
  }

  void unpack() {
    if (!blocks_ && state_.index) blocks_ = from_index(read_blocks);
    if (!blocks_ && coding_ == Coding::Gzip && state_.index) {
      auto points = from_index(read_points);
      if (points) {
        return unpack_with(
            make_resuming_decoder(state_.content(), std::move(*points), options_.decode));
      }
    }
    if (!blocks_) {
      auto found = find_blocks(coding_, state_.content());
      if (found) blocks_ = std::move(*found);
    }
    if (!blocks_ && options_.index) blocks_ = carried_blocks();
    if (blocks_ && !blocks_->empty()) {
      unpack_with(
          make_random_decoder(coding_, state_.content(), std::move(*blocks_), options_.decode));
    }
  }

  void unpack_with(Result<std::unique_ptr<RandomSource>> decoder) {
    if (!decoder) return;
    state_.unpacked = state_.contents.empty()
                          ? std::move(*decoder)
                          : make_placed(std::move(*decoder), place_in_file(state_.contents));
  }

  // What is packed may be a container. A stream that is in it in a way that has no positions is
  // read from front to end: the index tells of it all the same.
  void open_within() {
    auto taken = static_cast<unsigned>(state_.contents.size()) + 1;
    auto within = open_unpacked_contents(*state_.unpacked,
                                         options_.nesting - std::min(options_.nesting, taken));
    if (within) state_.within = std::move(*within);
    auto head = read_head(*state_.plain());
    if (head.empty() || is_plain_stream(head)) return;
    state_.within.clear();
    state_.unpacked.reset();
  }

  template <typename T>
  std::optional<T> from_index(Result<std::optional<T>> (*read)(const IndexReader&)) {
    auto part = read(*state_.index);
    if (part) return std::move(*part);
    drop_index(part.error());
    return std::nullopt;
  }

  void check_length() {
    auto facts = state_.index->read_facts();
    if (!facts) return drop_index(facts.error());
    RandomSource* plain = state_.plain();
    if (!plain || plain->length() == facts->plain_bytes) return;
    drop_index({Errc::Malformed, fmt::format("index: of a stream of {} bytes, this one has {}",
                                             facts->plain_bytes, plain->length())});
    if (!options_.index) return;
    state_.within.clear();
    state_.unpacked.reset();  // the index is right, the places are not
  }

  void drop_index(const Error& fault) {
    state_.index_fault = fault;
    state_.index.reset();
    state_.index_bytes.reset();
  }

  SeekableState& state_;
  Coding coding_;
  const SeekableOptions& options_;
  std::optional<BlockTable> blocks_;
};

}  // namespace

RandomSource* SeekableState::plain() const {
  if (proved) return proved.get();
  if (unpacked) return &innermost(*unpacked, within);
  return coding ? nullptr : &content();
}

std::optional<SeekableState> open_seekable_state(std::unique_ptr<RandomSource> file,
                                                 const SeekableOptions& options) {
  SeekableState state;
  state.file = std::move(file);
  auto contents = open_contents(*state.file, options.nesting);
  if (!contents) return std::nullopt;
  state.contents = std::move(*contents);
  state.containers = descriptions_of(state.contents);
  auto head = read_head(state.content());
  state.coding = recognise_coding(head);
  if (!state.coding && !is_plain_stream(head)) return std::nullopt;
  if (state.coding) state.containers.push_back({std::string(traits_of(*state.coding).name)});
  Opener(state, options).run();
  for (Container& container : descriptions_of(state.within)) {
    state.containers.push_back(std::move(container));
  }
  state.containers.push_back({"qevm"});
  if (RandomSource* plain = state.plain()) {
    if (state.proved) return state;  // what its head is has been seen; an error is for who reads it
    return is_plain_stream(read_head(*plain)) ? std::optional(std::move(state)) : std::nullopt;
  }
  bool has_word = state.index || state.index_fault;
  return has_word ? std::optional(std::move(state)) : std::nullopt;
}

}  // namespace vmstream
