// SPDX-License-Identifier: MIT
// Any bytes as a compressed file that is read by position: trailer, seek table, walk over the
// blocks, resume points. What is read that way is what a decoder gives from front to end.
#include "codec/gzip/resume_points.h"
#include "codec/random_decoder.h"
#include "codec/trailer/trailer.h"
#include "state/index_comparison.h"

#include <algorithm>
#include <cstdlib>

using namespace vmstream;

namespace {

// A small file can hold any number of plain bytes: that many are looked at.
constexpr size_t kMostPlainBytes = 1 << 20;
constexpr size_t kStep = 100'000;

using Bytes = std::vector<std::byte>;

// What a decoder gives before it ends or fails, or has given as much as is looked at.
struct Front {
  Bytes bytes;
  bool whole = false;
};

Front drain(ByteSource& source) {
  Front front;
  for (;;) {
    auto view = source.next();
    front.whole = view && view->empty();
    if (!view || view->empty() || view->size() > kMostPlainBytes - front.bytes.size()) return front;
    front.bytes.insert(front.bytes.end(), view->begin(), view->end());
  }
}

// Whatever can be read of `plain` by position stands at that place in the stream.
void compare(RandomSource& plain, const Front& front) {
  if (front.whole && plain.length() != front.bytes.size()) std::abort();
  uint64_t end = std::min<uint64_t>(plain.length(), front.bytes.size());
  for (uint64_t at = 0; at < end; at += kStep) {
    Bytes part(static_cast<size_t>(std::min<uint64_t>(kStep, end - at)));
    if (!plain.read_at(at, part)) continue;
    auto wanted = front.bytes.begin() + static_cast<ptrdiff_t>(at);
    if (!std::equal(part.begin(), part.end(), wanted)) std::abort();
  }
}

// A table that lies may leave out what a reader from the front finds: there is nothing to compare.
void touch(RandomSource& plain) {
  Bytes part(kStep);
  for (uint64_t at = 0; at < std::min<uint64_t>(plain.length(), kMostPlainBytes); at += kStep) {
    (void)plain.read_at(at, std::span(part).first(std::min(plain.length() - at, kStep)));
  }
}

void read_index(RandomSource& index) {
  Bytes bytes(static_cast<size_t>(index.length()));
  if (index.read_at(0, bytes) && index.length() > 0) {
    std::byte last;
    if (!index.read_at(index.length() - 1, {&last, 1}) || last != bytes.back()) std::abort();
  }
}

// A table that is that of the file gives what a reader from the front finds.
void read_trailer_of(Coding coding, RandomSource& file, const Front& front) {
  auto trailer = read_trailer(coding, file);
  if (!trailer || !*trailer) return;
  if ((*trailer)->index) read_index(*(*trailer)->index);
  if (!(*trailer)->blocks) return;
  auto plain = make_random_decoder(coding, file, *(*trailer)->blocks, {.cache_bytes = 0});
  if (!plain) return;
  auto found = find_blocks(coding, file);
  bool is_right = found && *found && compare_blocks(*(*trailer)->blocks, **found).empty();
  is_right ? compare(**plain, front) : touch(**plain);
}

void read_by_blocks(Coding coding, RandomSource& file, const Front& front) {
  auto blocks = find_blocks(coding, file);
  if (!blocks || !*blocks) return;
  auto plain = make_random_decoder(coding, file, **blocks, {.cache_bytes = 0});
  if (plain) compare(**plain, front);
}

void read_by_points(std::span<const std::byte> input, RandomSource& file) {
  ResumePoints points;
  auto source = make_noting_decoder(make_memory_source(input), points, {.spacing_bytes = 1000});
  Front front = drain(*source);
  if (!front.whole) return;  // nor are the points
  auto parsed = parse_resume_points(serialise(points));
  auto plain = parsed ? make_resuming_decoder(file, *parsed) : parsed.error();
  if (plain) compare(**plain, front);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  auto input = std::as_bytes(std::span(data, size));
  auto coding = recognise_coding(input);
  if (!coding) {
    auto points = parse_resume_points(input);
    if (points && serialise(*points).size() > input.size()) std::abort();
    return 0;
  }
  auto file = make_random_memory(input);
  auto decoder = make_decoder(*coding, make_memory_source(input), {.threads = 1});
  Front front = drain(**decoder);
  read_trailer_of(*coding, *file, front);
  read_by_blocks(*coding, *file, front);
  if (*coding == Coding::Gzip) read_by_points(input, *file);
  return 0;
}
