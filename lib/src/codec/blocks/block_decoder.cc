// SPDX-License-Identifier: MIT
// Reads a row of units. Units that can be found whole in the input go through the pipeline; when
// one comes up that cannot (too long, of unknown size, or found by a guess that was wrong), the
// pipeline runs empty and that unit is decoded as a stream on the caller's thread. Both kinds may
// follow each other in one file.
#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "codec/blocks/block_codec.h"
#include "codec/blocks/input_window.h"
#include "codec/blocks/long_unit.h"
#include "io/wait.h"
#include "pipeline/ordered_pipeline.h"

namespace vmstream {
namespace {

// Bytes in flight, packed and plain, allowed for each worker: three of the largest units.
constexpr size_t kBytesInFlight = 3 * kMaxUnitBytes;
// Buffers up to this capacity are used again; larger ones are rare and would add up.
constexpr size_t kKeptBytes = 2 * 1024 * 1024;

struct Unit {
  Buffer packed;
  Buffer plain;
  uint64_t file_offset = 0;
  size_t cost = 0;
  bool whole = true;  // false: to be decoded as a stream
};

using UnitPipeline = OrderedPipeline<Unit, Unit>;

Error located(Error error, uint64_t file_offset) {
  if (!error.file_offset) error.file_offset = file_offset;
  return error;
}

UnitPipeline::Work make_work(const BlockCodec& codec) {
  std::shared_ptr<UnitDecoder> decoder = codec.make_unit_decoder();
  return [decoder](Unit unit) -> Result<Unit> {
    auto whole = decoder->decode(unit.packed.view(), unit.plain);
    if (!whole) return located(whole.error(), unit.file_offset);
    unit.whole = *whole;
    return unit;
  };
}

std::string first_bytes(std::span<const std::byte> bytes) {
  return fmt::format("{:02x}", fmt::join(bytes.first(std::min<size_t>(bytes.size(), 4)), " "));
}

class BlockDecoder final : public ByteSource {
 public:
  BlockDecoder(const BlockCodec& codec, std::unique_ptr<ByteSource> compressed, unsigned threads,
               const DecodeOptions& options)
      : codec_(codec),
        limits_(options.limits),
        window_(std::move(compressed), codec.has_trailer()),
        long_reader_(codec, window_, threads),
        most_in_flight_(threads * kBytesInFlight),
        pipeline_(threads, [&codec] { return make_work(codec); }) {}

  Result<std::span<const std::byte>> next() override {
    // A caller that read() the head to recognise it may go on with next().
    if (!unread_.empty()) return std::exchange(unread_, {});
    if (failed_) return *failed_;
    auto view = decode_next();
    if (!view) failed_ = view.error();
    return view;
  }

  Result<size_t> read(std::span<std::byte> into) override {
    if (into.empty()) return size_t{0};
    if (unread_.empty()) {
      auto view = next();
      if (!view) return view.error();
      unread_ = *view;
    }
    size_t count = std::min(into.size(), unread_.size());
    std::copy_n(unread_.begin(), count, into.begin());
    unread_ = unread_.subspan(count);
    return count;
  }

 private:
  // What is known of the input at the front of the window.
  enum class Front { Units, LongUnit, End, Fault };

  Result<std::span<const std::byte>> decode_next() {
    recycle(std::move(shown_));
    for (;;) {
      if (auto within = check_limits(limits_, "the decoder"); !within) return within.error();
      if (in_long_unit_) {
        auto chunk = read_long_unit();
        if (!chunk || !chunk->empty()) return chunk;
        continue;
      }
      feed();
      if (!pipeline_.empty()) {
        if (auto popped = pop_unit(); !popped) return popped.error();
        if (shown_.whole && !shown_.plain.empty()) return shown_.plain.view();
        if (shown_.whole) {
          recycle(std::move(shown_));
        } else if (auto begun = begin_wrong_guess(); !begun) {
          return begun.error();
        }
      } else if (front_ == Front::LongUnit) {
        if (auto begun = begin_long_unit(); !begun) return begun.error();
      } else if (front_ == Front::Fault) {
        return fault_;
      } else if (front_ == Front::End) {
        return std::span<const std::byte>{};
      }
    }
  }

  // Hands units to the workers while there is room for them.
  void feed() {
    while (front_ == Front::Units && !pipeline_.full()) {
      auto found = find_front();
      if (!found) {
        fault_ = located(found.error(), window_.file_offset());
        front_ = Front::Fault;
        return;
      }
      front_ = *found;
      if (front_ != Front::Units) return;
      if (!pipeline_.empty() && in_flight_ + cost_of(next_unit_) > most_in_flight_) return;
      push_unit();
    }
  }

  // Moves the window to the next unit and tells how to decode it; next_unit_ is set for Units.
  Result<Front> find_front() {
    size_t want = codec_.magic_bytes();
    for (;;) {
      if (auto filled = window_.fill(want); !filled) return filled.error();
      auto view = window_.view();
      if (view.empty()) return at_start() ? Result<Front>(empty_file()) : Front::End;
      if (!codec_.can_begin(view)) {
        auto ended = skip_padding();
        if (!ended) return ended.error();
        if (*ended) return Front::End;
        continue;
      }
      if (view.size() < codec_.magic_bytes()) return cut_off(view.size());
      auto unit = codec_.find_unit(view, window_.at_end());
      if (!unit) return unit.error();
      switch (unit->kind) {
        case FoundUnit::Kind::NeedsMore:
          if (window_.at_end()) return cut_off(view.size());
          want = unit->length;
          break;
        case FoundUnit::Kind::Whole:
          next_unit_ = *unit;
          return Front::Units;
        case FoundUnit::Kind::Skippable:
          if (auto skipped = skip_unit(unit->length); !skipped) return skipped.error();
          want = codec_.magic_bytes();
          break;
        case FoundUnit::Kind::Long:
          return Front::LongUnit;
      }
    }
  }

  Status skip_unit(uint64_t length) {
    uint64_t start = window_.file_offset();
    if (auto good = check_file(length); !good) return located(good.error(), start);
    auto skipped = window_.skip(length);
    if (!skipped) return skipped.error();
    if (*skipped < length) return located(cut_off(*skipped), start);
    any_unit_ = true;
    return ok();
  }

  // Blocks that were swapped or left out are good blocks all the same: the trailer tells.
  Status check_file(uint64_t length) {
    if (length > kMostLocatorBytes) return ok();
    if (auto filled = window_.fill(static_cast<size_t>(length)); !filled) return filled;
    if (window_.view().size() < length) return ok();  // cut off: for skip() to say
    auto wanted = codec_.file_checksum_of(window_.view().first(static_cast<size_t>(length)));
    if (!wanted) return ok();
    behind_trailer_ = true;
    if (*wanted == window_.checksum()) return ok();
    return Error{.code = Errc::Malformed,
                 .message = fmt::format("trailer: checksum of the file before it found {:#010x}, "
                                        "want {:#010x}",
                                        window_.checksum(), *wanted),
                 .hint = "blocks were left out, repeated, put elsewhere or damaged"};
  }

  // Where a file follows another, each has its own checksum.
  void begin_unit() {
    any_unit_ = true;
    if (std::exchange(behind_trailer_, false)) window_.restart_checksum();
  }

  // Behind the last unit zeros may follow (tapes and block devices pad with them), nothing else,
  // unless the format itself has padding between units. True at the end of the file.
  Result<bool> skip_padding() {
    if (at_start()) {
      return Error{Errc::Malformed, fmt::format("no {}: begins with {}", codec_.unit_name(),
                                                first_bytes(window_.view()))};
    }
    uint64_t padding = 0;
    while (!window_.view().empty()) {
      auto view = window_.view();
      auto stray = std::ranges::find_if(view, [](std::byte b) { return b != std::byte{0}; });
      size_t zeros = static_cast<size_t>(stray - view.begin());
      window_.consume(zeros);
      padding += zeros;
      if (zeros < view.size()) {
        if (may_follow(padding)) return false;
        return Error{Errc::Malformed, fmt::format("bytes that are no {} follow the last one: {}",
                                                  codec_.unit_name(), first_bytes(window_.view()))};
      }
      if (auto filled = window_.fill(1); !filled) return filled.error();
    }
    return true;
  }

  bool may_follow(uint64_t padding) const {
    size_t step = codec_.padding_step();
    return step > 0 && padding > 0 && padding % step == 0 && codec_.can_begin(window_.view());
  }

  bool at_start() const { return !any_unit_; }

  Error empty_file() const {
    return Error{Errc::Truncated, fmt::format("the file is empty, want a {}", codec_.unit_name())};
  }

  Error cut_off(uint64_t length) const {
    return Error{Errc::Truncated, fmt::format("{}: cut off by the end of the file after {} bytes",
                                              codec_.unit_name(), length)};
  }

  static size_t cost_of(const FoundUnit& unit) { return unit.length + unit.plain_length; }

  void push_unit() {
    Unit unit;
    if (!spare_.empty()) {
      unit = std::move(spare_.back());
      spare_.pop_back();
    }
    unit.file_offset = window_.file_offset();
    unit.cost = cost_of(next_unit_);
    unit.packed.clear();
    unit.packed.reserve(next_unit_.length);
    unit.packed.append(window_.view().first(next_unit_.length));
    unit.plain.clear();
    unit.plain.reserve(next_unit_.plain_length);
    begin_unit();
    window_.consume(next_unit_.length);
    in_flight_ += unit.cost;
    pipeline_.push(std::move(unit));
  }

  Status pop_unit() {
    auto unit = pipeline_.pop();
    if (!unit) return unit.error();
    in_flight_ -= unit->cost;
    shown_ = std::move(*unit);
    return ok();
  }

  void recycle(Unit unit) {
    if (unit.packed.capacity() + unit.plain.capacity() == 0) return;
    if (unit.packed.capacity() > kKeptBytes || unit.plain.capacity() > kKeptBytes) return;
    spare_.push_back(std::move(unit));
  }

  // What the workers have been given was no row of units (only bzip2's are found by
  // guessing, and nothing is skipped between them): all of it is read again, as a stream.
  Status begin_wrong_guess() {
    std::vector<Unit> units;
    units.push_back(std::move(shown_));
    while (!pipeline_.empty()) {
      if (auto within = check_limits(limits_, "the decoder"); !within) return within;
      if (auto popped = pop_unit(); !popped) return popped.error();
      units.push_back(std::move(shown_));
    }
    for (auto unit = units.rbegin(); unit != units.rend(); ++unit) {
      window_.put_back(unit->packed.view());
      recycle(std::move(*unit));
    }
    return begin_long_unit();
  }

  Status begin_long_unit() {
    begin_unit();
    in_long_unit_ = true;
    long_unit_offset_ = window_.file_offset();
    auto begun = long_reader_.begin();
    if (!begun) return located(begun.error(), long_unit_offset_);
    return ok();
  }

  // A chunk of the unit, or nothing at its end.
  Result<std::span<const std::byte>> read_long_unit() {
    auto chunk = long_reader_.next();
    if (!chunk) return located(chunk.error(), long_unit_offset_);
    if (chunk->empty()) {
      in_long_unit_ = false;
      front_ = Front::Units;
    }
    return chunk;
  }

  const BlockCodec& codec_;
  WaitLimits limits_;
  InputWindow window_;
  Front front_ = Front::Units;
  FoundUnit next_unit_;
  Error fault_;
  bool any_unit_ = false;
  bool behind_trailer_ = false;

  Unit shown_;  // what the caller looks at
  std::span<const std::byte> unread_;
  std::optional<Error> failed_;

  LongUnitReader long_reader_;
  bool in_long_unit_ = false;
  uint64_t long_unit_offset_ = 0;

  const size_t most_in_flight_;
  size_t in_flight_ = 0;
  std::vector<Unit> spare_;
  UnitPipeline pipeline_;
};

}  // namespace

Result<std::unique_ptr<ByteSource>> make_block_decoder(const BlockCodec& codec,
                                                       std::unique_ptr<ByteSource> compressed,
                                                       DecodeOptions options) {
  return std::unique_ptr<ByteSource>(std::make_unique<BlockDecoder>(
      codec, std::move(compressed), count_threads(options.threads), options));
}

}  // namespace vmstream
