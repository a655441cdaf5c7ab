// SPDX-License-Identifier: MIT
// Part "file" of an index.
#include <algorithm>

#include "base/hash.h"
#include "state/index_tables.h"
#include "state/table_coding.h"

namespace vmstream {
namespace {

constexpr uint64_t kFrontBytes = 64 * 1024;
// The end of a stream is the JSON that describes the devices, alike in all saves of a guest and
// long where there are many; the devices themselves stand before it.
constexpr uint64_t kBackBytes = 4 << 20;

Result<uint64_t> hash_of(RandomSource& file, uint64_t offset, uint64_t length) {
  Bytes piece(static_cast<size_t>(length));
  if (auto read = file.read_at(offset, piece); !read) return read.error();
  return xxh64(piece);
}

}  // namespace

Result<FileMark> FileMark::of(RandomSource& file) {
  uint64_t bytes = file.length();
  auto front = hash_of(file, 0, std::min(kFrontBytes, bytes));
  if (!front) return front.error();
  uint64_t back_bytes = std::min(kBackBytes, bytes);
  auto back = hash_of(file, bytes - back_bytes, back_bytes);
  if (!back) return back.error();
  return FileMark{.bytes = bytes, .front_hash = *front, .back_hash = *back};
}

Bytes write_mark(const FileMark& mark) {
  TableWriter out;
  out.le64(mark.bytes);
  out.le64(mark.front_hash);
  out.le64(mark.back_hash);
  return out.take();
}

Result<FileMark> parse_mark(std::span<const std::byte> bytes) {
  TableReader in(kMarkPart, bytes);
  FileMark mark;
  mark.bytes = in.le64();
  mark.front_hash = in.le64();
  mark.back_hash = in.le64();
  in.expect_end();
  if (!in.ok()) return in.error();
  return mark;
}

}  // namespace vmstream
