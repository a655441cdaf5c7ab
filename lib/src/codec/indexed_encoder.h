// SPDX-License-Identifier: MIT
// An encoder whose file ends with an index.
#pragma once

#include <memory>

#include <vmstream/codec.h>
#include "codec/trailer/trailer.h"

namespace vmstream {

/// make_encoder(); where `make_index` is not empty, a trailer follows the blocks of Gzip and Zstd.
Result<std::unique_ptr<ByteSink>> make_indexed_encoder(Coding coding, ByteSink& next,
                                                       EncodeOptions options,
                                                       IndexMaker make_index);

}  // namespace vmstream
