// SPDX-License-Identifier: MIT
// Any bytes as an index, its checksums mended, and as each of its parts. Beyond not crashing: what
// is understood of a part comes back when it is written again.
#include <vmstream/state_index.h>

#include <vector>

#include "codec/gzip/resume_points.h"
#include "codec/trailer/block_table.h"
#include "fuzz_input.h"
#include "mended_index.h"

using namespace vmstream;
using fuzz::require;

namespace {

template <typename T>
void write_again(Result<T> (*parse)(std::span<const std::byte>), Bytes (*write)(const T&),
                 std::span<const std::byte> bytes) {
  auto value = parse(bytes);
  if (!value) return;
  Bytes written = write(*value);
  auto again = parse(written);
  require(again && write(*again) == written);
}

Result<PageMap> parse_map(std::span<const std::byte> bytes) {
  return parse_pages(bytes, {});
}

Result<PageMap> parse_deltas(std::span<const std::byte> bytes) {
  static const Bytes no_pages = write_pages({});
  return parse_pages(no_pages, bytes);
}

void read_all(std::span<const std::byte> bytes) {
  auto file = make_random_memory(bytes);
  auto index = IndexReader::open(*file);
  if (!index) return;
  (void)index->read_mark();
  (void)read_points(*index);
  (void)read_blocks(*index);
  auto whole = index->read();
  if (whole) require(static_cast<bool>(serialise(*whole)));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  auto input = std::as_bytes(std::span(data, size));
  write_again(parse_facts, write_facts, input);
  write_again(parse_mark, write_mark, input);
  write_again(parse_blocks, write_blocks, input);
  write_again(parse_resume_points, serialise, input);
  write_again(parse_records, write_records, input);
  write_again(parse_map, write_pages, input);
  write_again(parse_deltas, write_deltas, input);
  Bytes index(input.begin(), input.end());
  fuzz::mend_index(index);
  read_all(index);
  return 0;
}
