// SPDX-License-Identifier: MIT
// Verbs for files with a trailer.
#pragma once

#include "codec/random_decoder.h"
#include "codec/trailer/trailer.h"
#include "unit/codec/codec_fixture.h"

namespace testing {

using vmstream::BlockTable;

inline const std::initializer_list<Coding> kIndexedCodings{Coding::Gzip, Coding::Zstd};

/// A file of ours with `index` in its trailer. `blocks`, where given, gets what the encoder told
/// the maker of the index.
inline Bytes encode_indexed(Coding coding, const Bytes& plain, const Bytes& index,
                            BlockTable* blocks = nullptr, unsigned threads = 2) {
  return encode(coding, plain, {.threads = threads},
                [&](const BlockTable& table) -> vmstream::Result<Bytes> {
                  if (blocks) *blocks = table;
                  return index;
                });
}

inline Bytes read_all(vmstream::RandomSource& source) {
  Bytes bytes(source.length());
  REQUIRE(source.read_at(0, bytes));
  return bytes;
}

inline bool same_blocks(const BlockTable& a, const BlockTable& b) {
  if (a.size() != b.size() || a.plain_length() != b.plain_length()) return false;
  for (size_t i = 0; i < a.size(); ++i) {
    auto x = a[i], y = b[i];
    if (x.plain_offset != y.plain_offset || x.file_offset != y.file_offset ||
        x.plain_length != y.plain_length || x.packed_length != y.packed_length ||
        x.check != y.check) {
      return false;
    }
  }
  return true;
}

}  // namespace testing
