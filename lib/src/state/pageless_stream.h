// SPDX-License-Identifier: MIT
// A stream without the pages of memory that is there already.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include <vmstream/byte_source.h>
#include <vmstream/random_source.h>
#include <vmstream/state_index.h>

namespace vmstream {

/// How a stream that is cut ends: with a byte that begins no section. A QEMU that has taken all in
/// front of it says so by refusing this one.
inline constexpr std::byte kNoSection{0x55};

struct PagelessOptions {
  /// Names of RAM blocks, not escaped, whose pages are left out.
  std::vector<std::string> left_out = {};
  /// Ends with kNoSection in place of the EOF record and all behind it: QEMU loads every section,
  /// and neither runs the guest nor opens its disks.
  bool is_cut = false;
};

/// The stream in `plain` (borrowed) as a plain load takes it, by its index: header, configuration,
/// the whole list of RAM blocks, each page of the blocks that are not left out once, with its last
/// content; all other sections byte for byte, those of a postcopy package behind the memory. Places
/// of a mapped-ram stream and what only a postcopy load needs are left out.
///
/// Reads the sections and the pages that it gives, and nothing else. What the index says is held
/// against the stream's framing. Errc::Truncated for a stream that is not complete;
/// Errc::Unsupported for an index without records or pages, and for a stream without a list of RAM
/// blocks. Memory: 2 MiB besides the index.
Result<std::unique_ptr<ByteSource>> make_pageless_source(RandomSource& plain,
                                                         std::shared_ptr<const StateIndex> index,
                                                         const PagelessOptions& options);

}  // namespace vmstream
