// SPDX-License-Identifier: MIT
// Part "file" of an index.
#include <algorithm>

#include "base/hash.h"
#include "state/index_tables.h"
#include "state/table_coding.h"

namespace vmstream {
namespace {

constexpr uint64_t kMarkedBytes = 64 * 1024;

}  // namespace

Result<FileMark> FileMark::of(RandomSource& file) {
  FileMark mark{.bytes = file.length()};
  Bytes piece(static_cast<size_t>(std::min(kMarkedBytes, mark.bytes)));
  if (auto read = file.read_at(0, piece); !read) return read.error();
  mark.front_hash = xxh64(piece);
  if (auto read = file.read_at(mark.bytes - piece.size(), piece); !read) return read.error();
  mark.back_hash = xxh64(piece);
  return mark;
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
