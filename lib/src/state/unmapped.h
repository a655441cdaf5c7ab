// SPDX-License-Identifier: MIT
// A mapped-ram file as the stream that QEMU sends over a connection.
#pragma once

#include <memory>

#include <vmstream/byte_source.h>
#include <vmstream/format.h>
#include <vmstream/random_source.h>

namespace vmstream {

/// Whether the configuration of a stream lists the capability mapped-ram.
bool lists_mapped_ram(const Configuration& configuration);

/// Whether the stream in `plain` gives each page a place in its file (capability mapped-ram), as
/// its configuration says. Bytes that are no stream are not one of those.
bool is_mapped_ram(RandomSource& plain);

/// Such a stream (borrowed) written anew: without the capability, the list of RAM blocks in one
/// piece, behind it a section with each page once, in the order of the list. All else stays as it
/// is, byte for byte. Any QEMU that knows the machine takes it, through a pipe too.
///
/// Reads the stream's framing from front to end at first, and fails for one that is not whole
/// before anything is given. Memory: bitmaps of one block, 1 MiB besides.
Result<std::unique_ptr<ByteSource>> make_unmapped_source(RandomSource& plain);

}  // namespace vmstream
