// SPDX-License-Identifier: MIT
// An encoder whose file ends with an index.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <vector>

#include <vmstream/codec.h>

namespace vmstream {

/// Gives the bytes to store behind the blocks that `blocks` describes. Called once, on the thread
/// that calls finish().
using IndexMaker = std::function<Result<std::vector<std::byte>>(const BlockTable& blocks)>;

/// make_encoder(); where `make_index` is not empty, a trailer (codec/trailer/trailer.h) follows the
/// blocks of Gzip and Zstd.
Result<std::unique_ptr<ByteSink>> make_indexed_encoder(Coding coding, ByteSink& next,
                                                       EncodeOptions options,
                                                       IndexMaker make_index);

}  // namespace vmstream
