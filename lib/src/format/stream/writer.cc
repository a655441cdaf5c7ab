// SPDX-License-Identifier: MIT
#include <vmstream/writer.h>

#include "format/ram/ram_records.h"
#include "format/records/records.h"
#include "format/wire.h"

namespace vmstream {
namespace {

// Hands on what `append` makes of a record, whole or not at all.
template <typename Record>
Status write_record(ByteSink& sink, Status (*append)(Bytes&, const Record&), const Record& record) {
  Bytes out;
  if (auto status = append(out, record); !status) return status;
  return sink.write(out);
}

}  // namespace

Status StreamWriter::header(const StreamHeader& header) {
  Bytes out;
  append_stream_header(out, header);
  return sink_.write(out);
}

Status StreamWriter::configuration(const Configuration& configuration) {
  return write_record(sink_, append_configuration, configuration);
}

Status StreamWriter::section(const SectionHeader& header) {
  return write_record(sink_, append_section_header, header);
}

Status StreamWriter::ram_blocks(const RamBlockList& list) {
  if (auto status = ram_total(list.total_bytes); !status) return status;
  for (const RamBlock& block : list.blocks) {
    if (auto status = ram_block(block); !status) return status;
  }
  return ok();
}

Status StreamWriter::ram_total(uint64_t total_bytes) {
  Bytes out;
  append_be(out, total_bytes | wire::kRamMemSize);
  return sink_.write(out);
}

Status StreamWriter::ram_block(const RamBlock& block) {
  return write_record(sink_, append_block_entry, block);
}

Status StreamWriter::page(const Page& page) {
  return write_record(sink_, append_page, page);
}

Status StreamWriter::ram_mark(RamMark mark) {
  Bytes out;
  append_ram_mark(out, mark);
  return sink_.write(out);
}

Status StreamWriter::body(std::span<const std::byte> bytes) {
  return sink_.write(bytes);
}

Status StreamWriter::footer(uint32_t section_id) {
  Bytes out;
  append_footer(out, section_id);
  return sink_.write(out);
}

Status StreamWriter::counted_record(const SectionHeader& header, std::span<const std::byte> body) {
  Bytes out;
  auto status = append_legacy_header(out, header, static_cast<uint32_t>(body.size()));
  if (status) status = sink_.write(out);
  return status ? sink_.write(body) : status;
}

Status StreamWriter::command(const Command& command) {
  return write_record(sink_, append_command, command);
}

Status StreamWriter::eof() {
  std::byte type{static_cast<uint8_t>(SectionType::Eof)};
  return sink_.write({&type, 1});
}

Status StreamWriter::vmdesc(std::string_view json) {
  Bytes out;
  append_be(out, static_cast<uint8_t>(SectionType::Vmdescription));
  append_be(out, static_cast<uint32_t>(json.size()));
  append_bytes(out, std::as_bytes(std::span(json)));
  return sink_.write(out);
}

}  // namespace vmstream
