// SPDX-License-Identifier: MIT
// A saved stream with every page of the guest once.
#pragma once

#include <memory>

#include <vmstream/byte_source.h>
#include <vmstream/random_source.h>
#include <vmstream/state_index.h>

namespace vmstream {

/// The stream in `plain` (borrowed), of which `index` is the index, written anew: each page that
/// was sent comes once, as it was last, in the order of the block list, in a single section. All
/// that is not memory stays as it is, byte for byte. A receiver comes to the same guest; the same
/// memory gives the same bytes, however often it was sent.
///
/// Memory: that of RamImage, and 2 MiB. Errc::Unsupported where pages cannot be put into another
/// order: postcopy and mapped-ram streams, those of QEMU before 0.13, one with pages in front of
/// its first PART. Errc::Malformed for a stream that the parser found incomplete or faulty.
Result<std::unique_ptr<ByteSource>> make_compact_source(RandomSource& plain, StateIndex index);

}  // namespace vmstream
