// SPDX-License-Identifier: MIT
// The front of the parser: joins the pieces that a stream comes in and keeps account of offsets.
#include <vmstream/parser.h>

#include <algorithm>
#include <vector>

#include "format/stream/stream_machine.h"

namespace vmstream {
namespace {

// How much of a piece is copied behind a cut record at a time. Once the record is over, reading
// goes on in the piece itself.
constexpr size_t kTopUpBytes = 8 * 1024;

}  // namespace

class StreamParser::Impl {
 public:
  Impl(StreamVisitor& visitor, const ParseLimits& limits, const ParseContext& context)
      : limits_(limits), machine_(visitor, limits_, context) {}

  Status feed(std::span<const std::byte> piece);
  Status skip(uint64_t count);
  uint64_t skippable() const { return error_ || !carry_.empty() ? 0 : machine_.skippable(); }
  size_t wanted() const {
    return carry_.size() < wanted_ && !carry_.empty() ? wanted_ - carry_.size() : 0;
  }
  Status finish();
  uint64_t confirmed_offset() const;
  bool has_ended() const { return machine_.has_ended(); }
  bool is_in_description() const { return machine_.is_in_description(); }
  uint64_t offset() const { return fed_; }
  uint64_t stream_length() const { return machine_.stream_end().value_or(taken_); }

 private:
  Result<size_t> run(std::span<const std::byte> bytes, bool last);
  Status feed_carried(std::span<const std::byte>& piece);

  ParseLimits limits_;
  StreamMachine machine_;
  std::vector<std::byte> carry_;  // the start of a record whose end has not come
  size_t wanted_ = 0;             // bytes that must be at hand before the next step
  uint64_t taken_ = 0;            // offset behind the last record that was done with
  uint64_t fed_ = 0;
  std::optional<Error> error_;
  bool finished_ = false;
};

Status StreamParser::Impl::feed(std::span<const std::byte> piece) {
  if (error_) return *error_;
  fed_ += piece.size();
  while (!piece.empty()) {
    if (!carry_.empty()) {
      if (auto status = feed_carried(piece); !status) return status;
      continue;
    }
    auto taken = run(piece, false);
    if (!taken) return taken.error();
    auto rest = piece.subspan(*taken);
    carry_.assign(rest.begin(), rest.end());
    piece = {};
  }
  return ok();
}

// Moves bytes of `piece` behind the carried ones until the record there is whole.
Status StreamParser::Impl::feed_carried(std::span<const std::byte>& piece) {
  size_t carried = carry_.size();
  size_t lacking = wanted_ > carried ? wanted_ - carried : 0;
  size_t count = std::min(piece.size(), std::max(lacking, kTopUpBytes));
  if (wanted_ > carry_.capacity()) carry_.reserve(wanted_);  // else it would grow to twice that
  carry_.insert(carry_.end(), piece.begin(), piece.begin() + static_cast<ptrdiff_t>(count));
  if (carry_.size() < wanted_) {
    piece = piece.subspan(count);
    return ok();
  }
  auto taken = run(carry_, false);
  if (!taken) return taken.error();
  if (*taken >= carried) {  // what is left is in the piece as well
    piece = piece.subspan(*taken - carried);
    carry_.clear();
    return ok();
  }
  carry_.erase(carry_.begin(), carry_.begin() + static_cast<ptrdiff_t>(*taken));
  piece = piece.subspan(count);
  return ok();
}

// Steps over `bytes`, which begin at taken_. Returns how many are done with.
Result<size_t> StreamParser::Impl::run(std::span<const std::byte> bytes, bool last) {
  Window window{bytes, taken_, last};
  for (;;) {
    auto step = machine_.step(window);
    if (!step) {
      error_ = step.error();
      return *error_;
    }
    window = window.from(step->consumed);
    taken_ = window.offset;
    wanted_ = step->wanted;
    if (wanted_ > 0) return bytes.size() - window.bytes.size();
  }
}

Status StreamParser::Impl::skip(uint64_t count) {
  if (error_) return *error_;
  if (!carry_.empty() || !machine_.may_skip(count)) {
    return Error{Errc::Usage, "skip() inside of a record", taken_};
  }
  if (auto skipped = machine_.skip(count, taken_); !skipped) {
    error_ = skipped.error();
    return *error_;
  }
  wanted_ = 0;
  taken_ += count;
  fed_ += count;
  return ok();
}

Status StreamParser::Impl::finish() {
  if (error_) return *error_;
  if (finished_) return ok();
  auto taken = run(carry_, true);
  if (!taken) return taken.error();
  if (!machine_.may_end()) {
    error_ = Error{Errc::Truncated, "the stream ends without its end mark", fed_};
    return *error_;
  }
  carry_.clear();
  finished_ = true;
  return ok();
}

uint64_t StreamParser::Impl::confirmed_offset() const {
  if (finished_) return stream_length();
  uint64_t taken = machine_.lost_from().value_or(taken_);
  return std::min(taken, machine_.eof_offset().value_or(taken));
}

StreamParser::StreamParser(StreamVisitor& visitor, ParseLimits limits, ParseContext context)
    : impl_(std::make_unique<Impl>(visitor, limits, context)) {}
StreamParser::~StreamParser() = default;
StreamParser::StreamParser(StreamParser&&) noexcept = default;

Status StreamParser::feed(std::span<const std::byte> bytes) {
  return impl_->feed(bytes);
}
Status StreamParser::skip(uint64_t count) {
  return impl_->skip(count);
}
uint64_t StreamParser::skippable() const {
  return impl_->skippable();
}
size_t StreamParser::wanted() const {
  return impl_->wanted();
}
Status StreamParser::finish() {
  return impl_->finish();
}
uint64_t StreamParser::confirmed_offset() const {
  return impl_->confirmed_offset();
}
bool StreamParser::has_ended() const {
  return impl_->has_ended();
}
bool StreamParser::is_in_description() const {
  return impl_->is_in_description();
}
uint64_t StreamParser::offset() const {
  return impl_->offset();
}
uint64_t StreamParser::stream_length() const {
  return impl_->stream_length();
}

Status parse_stream(ByteSource& source, StreamVisitor& visitor, const ParseLimits& limits,
                    ParseContext context) {
  StreamParser parser(visitor, limits, context);
  for (;;) {
    auto piece = source.next();
    if (!piece) return piece.error();
    if (piece->empty()) return parser.finish();
    if (auto status = parser.feed(*piece); !status) return status;
  }
}

}  // namespace vmstream
