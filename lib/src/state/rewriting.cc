// SPDX-License-Identifier: MIT
#include "state/rewriting.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include <vmstream/text.h>
#include "format/ram/ram_records.h"
#include "format/wire.h"

namespace vmstream {
namespace {

constexpr uint64_t kMostConfigurationBytes = 1u << 20;  // many times what the parser takes

bool is_slice(const IndexedRecord& record) {
  return record.type == SectionType::Part || record.type == SectionType::End;
}

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

Status append_unmapped_configuration(Bytes& out, RandomSource& plain, const IndexedRecord& record) {
  auto configuration = read_configuration(plain, record);
  if (!configuration) return configuration.error();
  auto& names = configuration->capabilities;
  if (names) std::erase(*names, kMappedRam);
  if (names && names->empty()) names.reset();
  return append_configuration(out, *configuration);
}

Status check_section_head(RandomSource& plain, const IndexedRecord& record, uint64_t offset) {
  std::array<std::byte, wire::kMaxSectionHeaderBytes> bytes;
  auto room =
      std::span(bytes).first(static_cast<size_t>(std::min<uint64_t>(bytes.size(), record.length)));
  if (auto read = plain.read_at(offset, room); !read) return read;
  ByteReader in(room, offset);
  SectionHeader found = read_section_header(in);
  bool is_named =
      is_slice(record) || (found.idstr == record.idstr && found.instance_id == record.instance_id &&
                           found.version_id == record.version_id);
  bool fits =
      in.ok() && is_named && found.type == record.type && found.section_id == record.section_id;
  if (fits) return ok();
  return Error{Errc::Malformed,
               fmt::format("index: no {} section of '{}' is here", name_of(record.type),
                           escape(record.idstr)),
               record.offset};
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
