// SPDX-License-Identifier: MIT
// Any bytes as a container. Beyond not crashing: what is read from front to end is what is read by
// position, whatever the size of the pieces.
#include "container/content.h"

#include <algorithm>
#include <vector>

#include "fuzz_input.h"

using namespace vmstream;
using fuzz::require;

namespace {

// An extent of VMA stands for 59 clusters of 64 KiB with a header of 512 bytes, if all are zero.
constexpr uint64_t kMostGrowth = 59 * 128;
constexpr uint64_t kMostReadBytes = 64u << 20;

bool is_stream(std::span<const std::byte> head) {
  constexpr std::byte kMagic[] = {std::byte{'Q'}, std::byte{'E'}, std::byte{'V'}, std::byte{'M'}};
  return head.size() >= 4 && std::equal(kMagic, kMagic + 4, head.begin());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  fuzz::Input input(data, size);
  auto kind = recognise_container(input.bytes);
  if (!kind) return 0;
  auto file = make_random_memory(input.bytes);
  auto content = open_content(*kind, *file, is_stream);
  auto stream =
      open_content(*kind, std::make_unique<fuzz::PieceSource>(input.bytes, input.piece), is_stream);
  if (!content) return 0;  // a pipe may find out later
  require(bool(stream));
  require(content->bytes->length() <= input.bytes.size() * kMostGrowth);
  if (content->bytes->length() > kMostReadBytes) return 0;
  std::vector<std::byte> wanted(content->bytes->length());
  require(bool(content->bytes->read_at(0, wanted)));
  std::vector<std::byte> found(wanted.size() + 1);
  auto count = read_fully(*stream->bytes, found);
  require(count && *count == wanted.size());
  found.resize(*count);
  require(found == wanted);
  require(content->description.problems == stream->description.problems);
  return 0;
}
