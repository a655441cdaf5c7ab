// SPDX-License-Identifier: MIT
// Records that an index tells of, for those who write them anew in another form.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include <vmstream/random_source.h>
#include <vmstream/state_index.h>
#include "format/records/records.h"

namespace vmstream {

/// The capability of streams in which each page has its place, as a configuration lists it.
inline constexpr std::string_view kMappedRam = "mapped-ram";

/// The configuration that `record` tells of, read from `plain`.
Result<Configuration> read_configuration(RandomSource& plain, const IndexedRecord& record);
/// The same without the capability mapped-ram, as bytes.
Status append_unmapped_configuration(Bytes& out, RandomSource& plain, const IndexedRecord& record);

/// Whether the section that `record` tells of begins at `offset` of `plain`: Errc::Malformed where
/// another does, or none.
Status check_section_head(RandomSource& plain, const IndexedRecord& record, uint64_t offset);

/// The head of a section like the one that `record` tells of, but of another type.
Status append_section_head(Bytes& out, const IndexedRecord& record, SectionType type);
/// The end of a slice of ram: its mark, and a footer if `record` has one.
void append_slice_end(Bytes& out, const IndexedRecord& record);
/// A whole START of ram that holds the list of `blocks` and no page. `total_bytes` is the sum of
/// their lengths.
Status append_ram_start(Bytes& out, const IndexedRecord& record, uint64_t total_bytes,
                        std::span<const RamBlock> blocks);

}  // namespace vmstream
