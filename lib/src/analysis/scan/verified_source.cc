// SPDX-License-Identifier: MIT
#include <vmstream/verification.h>

#include <algorithm>
#include <cstdint>
#include <utility>
#include <vector>

#include <vmstream/parser.h>

namespace vmstream {
namespace {

using Bytes = std::vector<std::byte>;
using View = std::span<const std::byte>;

// Where the bytes begin that are no part of the stream.
class TrailingWatch final : public StreamVisitor {
 public:
  uint64_t from = UINT64_MAX;

  Status on_trailing(uint64_t offset, View) override {
    from = std::min(from, offset);
    return ok();
  }
};

}  // namespace

struct VerifiedSource::State {
  explicit State(std::unique_ptr<ByteSource> source) : stream(std::move(source)) {}

  std::unique_ptr<ByteSource> stream;
  Verifier verifier;
  TrailingWatch trailing;
  VisitorList visitors{&verifier, &trailing};
  StreamParser parser{visitors};
  // What is handed on next: bytes of the pieces before, then a view of the last one.
  Bytes front;
  size_t front_given = 0;
  View rest;
  Bytes held;  // not recognised yet
  uint64_t held_from = 0;
  std::optional<Error> fault;
  std::optional<Verification> found;

  bool has_ended() const { return fault || found; }
  bool has_bytes() const { return front_given < front.size() || !rest.empty(); }
  Status take_piece();
  Status conclude();
  void hand_on(View piece, uint64_t start);
  void release_held();
  Result<View> give(size_t most);
};

Status VerifiedSource::State::take_piece() {
  auto piece = stream->next();
  if (!piece) return piece.error();
  if (piece->empty()) return conclude();
  uint64_t start = parser.offset();
  if (auto fed = parser.feed(*piece); !fed) return fed;
  hand_on(*piece, start);
  return ok();
}

// Of what was fed last, at `start`: all that has been recognised by now.
void VerifiedSource::State::hand_on(View piece, uint64_t start) {
  uint64_t end = std::clamp(trailing.from, start, start + piece.size());
  uint64_t sure = std::clamp(parser.confirmed_offset(), start, end);
  auto unsure = piece.subspan(static_cast<size_t>(sure - start), static_cast<size_t>(end - sure));
  if (sure > start) {
    release_held();
    rest = piece.first(static_cast<size_t>(sure - start));
    held_from = sure;
  }
  held.insert(held.end(), unsure.begin(), unsure.end());
}

// Some streams tell where they have ended only when nothing more comes.
Status VerifiedSource::State::conclude() {
  if (auto whole = parser.finish(); !whole) return whole;
  ScanResult scan{.plain_bytes = parser.offset(),
                  .parsed_bytes = parser.offset(),
                  .stream_bytes = parser.stream_length(),
                  .ended = true};
  auto result = verifier.finish(scan);
  if (auto sound = result.status(); !sound) return sound;
  found = std::move(result);
  held.resize(std::min(held.size(), static_cast<size_t>(scan.stream_bytes - held_from)));
  release_held();
  return ok();
}

void VerifiedSource::State::release_held() {
  std::swap(front, held);
  held.clear();
  front_given = 0;
}

// What is there to hand on, or what has kept more from coming.
Result<View> VerifiedSource::State::give(size_t most) {
  while (!has_bytes() && !has_ended()) {
    if (auto taken = take_piece(); !taken) fault = taken.error();
  }
  if (!has_bytes() && fault) return *fault;
  if (front_given < front.size()) {
    auto bytes = View(front).subspan(front_given, std::min(most, front.size() - front_given));
    front_given += bytes.size();
    return bytes;
  }
  auto bytes = rest.first(std::min(most, rest.size()));
  rest = rest.subspan(bytes.size());
  return bytes;
}

VerifiedSource::VerifiedSource(std::unique_ptr<ByteSource> stream)
    : state_(std::make_unique<State>(std::move(stream))) {}
VerifiedSource::~VerifiedSource() = default;

Result<View> VerifiedSource::next() {
  return state_->give(SIZE_MAX);
}

Result<size_t> VerifiedSource::read(std::span<std::byte> into) {
  auto bytes = state_->give(into.size());
  if (!bytes) return bytes.error();
  std::ranges::copy(*bytes, into.begin());
  return bytes->size();
}

const std::optional<Verification>& VerifiedSource::found() const {
  return state_->found;
}

}  // namespace vmstream
