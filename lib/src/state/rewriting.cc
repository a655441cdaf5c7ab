// SPDX-License-Identifier: MIT
#include "state/rewriting.h"

#include <algorithm>

#include "format/ram/ram_records.h"
#include "format/wire.h"

namespace vmstream {
namespace {

constexpr uint64_t kMostConfigurationBytes = 1u << 20;  // many times what the parser takes

}  // namespace

Result<Configuration> read_configuration(RandomSource& plain, const IndexedRecord& record) {
  // One byte more: only what stands behind the record says where it ends.
  Bytes found(static_cast<size_t>(std::min(record.length, kMostConfigurationBytes)) + 1);
  if (auto read = plain.read_at(record.offset, found); !read) return read.error();
  ByteReader in(found, record.offset);
  Configuration configuration = read_configuration(in, ParseLimits());
  if (!in.ok()) return in.error();
  return configuration;
}

Status append_section_head(Bytes& out, const IndexedRecord& record, SectionType type) {
  return append_section_header(out, {.type = type,
                                     .section_id = record.section_id,
                                     .idstr = record.idstr,
                                     .instance_id = record.instance_id,
                                     .version_id = record.version_id});
}

void append_slice_end(Bytes& out, const IndexedRecord& record) {
  append_ram_mark(out, RamMark::EndOfSlice);
  if (record.footer) append_footer(out, record.section_id);
}

Status append_ram_start(Bytes& out, const IndexedRecord& record, uint64_t total_bytes,
                        std::span<const RamBlock> blocks) {
  if (auto done = append_section_head(out, record, SectionType::Start); !done) return done;
  append_be(out, total_bytes | wire::kRamMemSize);
  for (const RamBlock& block : blocks) {
    if (auto done = append_block_entry(out, block); !done) return done;
  }
  append_slice_end(out, record);
  return ok();
}

}  // namespace vmstream
