// SPDX-License-Identifier: MIT
// Any bytes as a qcow2 image: its table is listed, and the states in it read, from front to end and
// by position. A byte has one value, however it is read.
#include "container/qcow2/image.h"
#include "container/qcow2/snapshot_source.h"
#include "fuzz_input.h"

using namespace vmstream;

namespace {

constexpr size_t kMostSnapshots = 4;
constexpr uint64_t kMostBytes = 256 << 10;  // of a state, from its front and from its end

void read_stretch(RandomSource& state, uint64_t begin, uint64_t length, size_t piece) {
  std::vector<std::byte> whole(static_cast<size_t>(length));
  bool is_whole = bool(state.read_at(begin, whole));
  std::vector<std::byte> part(piece * 37);
  for (size_t at = 0; at < whole.size(); at += part.size()) {
    auto some = std::span(part).first(std::min(part.size(), whole.size() - at));
    bool is_there = bool(state.read_at(begin + at, some));
    fuzz::require(is_there || !is_whole);
    if (is_whole)
      fuzz::require(std::ranges::equal(some, std::span(whole).subspan(at, some.size())));
  }
}

void read_state(RandomSource& image, const Qcow2Header& header, const Qcow2Snapshot& snapshot,
                const fuzz::Input& input) {
  auto located = locate_state(image, header, snapshot);
  if (!located) return;
  auto state = make_snapshot_source(make_random_memory(input.bytes), std::move(*located));
  uint64_t length = state->length();
  uint64_t shown = std::min(length, kMostBytes);
  read_stretch(*state, 0, shown, input.piece);
  read_stretch(*state, length - shown, shown, input.piece);
  std::byte behind;
  fuzz::require(!state->read_at(length, {&behind, 1}));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  fuzz::Input input(data, size);
  auto file = make_random_memory(input.bytes);
  auto image = Qcow2Image::read(*file);
  if (!image) return 0;
  (void)image->find({});
  size_t count = std::min(image->snapshots().size(), kMostSnapshots);
  for (size_t i = 0; i < count; ++i) {
    const Qcow2Snapshot& snapshot = image->snapshots()[i];
    (void)image->find(snapshot.facts.name);
    if (snapshot.facts.holds_state()) read_state(*file, image->header(), snapshot, input);
  }
  return 0;
}
