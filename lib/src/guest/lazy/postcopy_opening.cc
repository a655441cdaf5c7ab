// SPDX-License-Identifier: MIT
#include "guest/lazy/postcopy_opening.h"

#include <fmt/format.h>

#include <algorithm>

#include "format/device/global_state.h"
#include "format/records/records.h"
#include "format/wire.h"
#include "state/rewriting.h"

namespace vmstream {
namespace {

constexpr std::string_view kRam = "ram";
constexpr uint64_t kMostDeviceBytes = 64u << 20;

bool is_ram(const IndexedRecord& record) {
  return record.idstr == kRam && record.type != SectionType::Full;
}

bool is_slice(const IndexedRecord& record) {
  return record.type == SectionType::Part || record.type == SectionType::End;
}

Bytes command_bytes(CommandType type, std::span<const std::byte> payload = {}) {
  Bytes bytes;
  // A short payload is never refused.
  [[maybe_unused]] auto appended =
      append_command(bytes, Command{.type = type, .payload = payload, .package_length = {}});
  return bytes;
}

// Writes the opening, record by record of the index.
class OpeningWriter {
 public:
  OpeningWriter(const LazyReader& reader, const StateIndex& index,
                const std::vector<ServedBlock>& blocks, ByteSink& out)
      : plain_(reader.plain()), index_(index), blocks_(blocks), out_(out) {}

  Status write_front();
  Status write_package();

 private:
  using Record = std::vector<IndexedRecord>::const_iterator;

  const std::vector<IndexedRecord>& records() const { return *index_.records; }
  // The first record behind the sections that open the stream.
  Record first_slice() const { return std::ranges::find_if(records(), is_slice); }
  bool is_mapped() const {
    return std::ranges::any_of(index_.facts.blocks, [](const IndexedBlock& entry) {
      return entry.block.mapped.has_value();
    });
  }

  Status write_head();
  Status write_configuration(const IndexedRecord& record);
  Status write_advice();
  Status write_ram_start(const IndexedRecord& record);
  Status write_discard();
  Status copy(const IndexedRecord& record);
  Status copy_devices(Record from, bool early);

  RandomSource& plain_;
  const StateIndex& index_;
  const std::vector<ServedBlock>& blocks_;
  ByteSink& out_;
};

Status OpeningWriter::write_head() {
  Bytes header(wire::kHeaderBytes);
  if (auto read = plain_.read_at(0, header); !read) return read;
  if (auto written = out_.write(header); !written) return written;
  auto record = std::ranges::find(records(), SectionType::Configuration, &IndexedRecord::type);
  if (record == records().end()) return ok();
  return is_mapped() ? write_configuration(*record) : copy(*record);
}

// The capabilities that are listed concern how the file was written, not how it is read now.
Status OpeningWriter::write_configuration(const IndexedRecord& record) {
  auto configuration = read_configuration(plain_, record);
  if (!configuration) return configuration.error();
  configuration->capabilities.reset();
  Bytes written;
  if (auto done = append_configuration(written, *configuration); !done) return done;
  return out_.write(written);
}

Status OpeningWriter::write_advice() {
  if (auto done = out_.write(command_bytes(CommandType::OpenReturnPath)); !done) return done;
  uint64_t page_sizes = 0;
  for (const ServedBlock& block : blocks_) page_sizes |= block.unit_bytes;
  Bytes payload;
  append_be(payload, page_sizes);
  append_be(payload, uint64_t{index_.pages->page_size()});
  return out_.write(command_bytes(CommandType::PostcopyAdvise, payload));
}

// A destination that was told of postcopy expects the page size of blocks made of huge pages.
Status OpeningWriter::write_ram_start(const IndexedRecord& record) {
  if (auto checked = check_section_head(plain_, record, record.offset); !checked) return checked;
  std::vector<RamBlock> blocks;
  for (size_t i = 0; i < blocks_.size(); ++i) {
    blocks.push_back(
        {.name = blocks_[i].name, .used_length = index_.facts.blocks[i].block.used_length});
    if (blocks_[i].is_huge) blocks.back().page_size = blocks_[i].unit_bytes;
  }
  Bytes bytes;
  auto done = append_ram_start(bytes, record, index_.facts.ram_bytes, blocks);
  if (!done) return done;
  return out_.write(bytes);
}

// A destination that is told to listen without a discard before hangs on its first page. One range
// that was not sent is enough.
Status OpeningWriter::write_discard() {
  Bytes payload;
  append_be(payload, uint8_t{0});
  if (auto done = append_counted_string(payload, blocks_[0].name); !done) return done;
  append_be(payload, uint8_t{0});
  append_be(payload, uint64_t{0});
  append_be(payload, blocks_[0].unit_bytes);
  return out_.write(command_bytes(CommandType::PostcopyRamDiscard, payload));
}

Status OpeningWriter::copy(const IndexedRecord& record) {
  if (record.type != SectionType::Configuration) {
    for (uint64_t i = 0; i < record.count; ++i) {
      auto checked = check_section_head(plain_, record, record.offset + i * record.length);
      if (!checked) return checked;
    }
  }
  auto source = make_stretch_source(plain_, record.offset, record.end() - record.offset);
  auto moved = pump(*source, out_);
  if (!moved) return moved.error();
  return ok();
}

// Sections that stand before the memory are loaded before it, disks and bitmaps in full; those of
// devices behind it are for the package.
Status OpeningWriter::write_front() {
  if (auto done = write_head(); !done) return done;
  if (auto done = write_advice(); !done) return done;
  auto slice = first_slice();
  for (auto record = records().begin(); record != records().end(); ++record) {
    bool is_early_device = record->type == SectionType::Full && record < slice;
    bool is_iterable = record->type == SectionType::Start || is_slice(*record);
    Status done = ok();
    if (record->type == SectionType::Start && is_ram(*record)) {
      done = write_ram_start(*record);
    } else if (is_early_device || (is_iterable && !is_ram(*record))) {
      done = copy(*record);
    }
    if (!done) return done;
  }
  return write_discard();
}

Status OpeningWriter::write_package() {
  Bytes front = command_bytes(CommandType::PostcopyListen);
  Bytes ping;
  append_be(ping, kDevicesLoadedPing);
  Bytes back = command_bytes(CommandType::Ping, ping);
  append_bytes(back, command_bytes(CommandType::PostcopyRun));
  uint64_t length = front.size() + back.size();
  auto slice = first_slice();
  for (auto record = slice; record != records().end(); ++record) {
    if (record->type == SectionType::Full) length += record->end() - record->offset;
  }
  if (length > kMostDeviceBytes) {
    return Error{Errc::Unsupported, fmt::format("{} bytes of devices, at most {} are sent at once",
                                                length, kMostDeviceBytes)};
  }
  Bytes payload;
  append_be(payload, static_cast<uint32_t>(length));
  Bytes head = command_bytes(CommandType::Packaged, payload);
  append_bytes(head, front);
  if (auto done = out_.write(head); !done) return done;
  for (auto record = slice; record != records().end(); ++record) {
    if (record->type != SectionType::Full) continue;
    if (auto done = copy(*record); !done) return done;
  }
  return out_.write(back);
}

}  // namespace

Status write_opening(const LazyReader& reader, const StateIndex& index,
                     const std::vector<ServedBlock>& blocks, ByteSink& out,
                     const std::function<Status()>& before_package) {
  OpeningWriter writer(reader, index, blocks, out);
  if (auto done = writer.write_front(); !done) return done;
  if (before_package) {
    if (auto done = before_package(); !done) return done;
  }
  return writer.write_package();
}

Result<bool> was_saved_running(const LazyReader& reader, const StateIndex& index) {
  auto record = std::ranges::find(*index.records, kGlobalState, &IndexedRecord::idstr);
  bool is_known = record != index.records->end() && record->type == SectionType::Full;
  if (!is_known) return true;
  uint64_t footer = record->footer ? wire::kFooterBytes : 0;
  Bytes body(std::min<uint64_t>(record->body_length, kGlobalStateBytes));
  auto read =
      reader.plain().read_at(record->offset + record->length - footer - record->body_length, body);
  if (!read) return read.error();
  auto saved = read_global_state(body);
  return !saved || saved->run_state == "running";
}

Result<RamSection> find_ram_section(const StateIndex& index) {
  auto start = std::ranges::find_if(*index.records, [](const IndexedRecord& record) {
    return is_ram(record) && record.type == SectionType::Start;
  });
  if (start != index.records->end()) return RamSection{start->section_id, start->footer};
  return Error{Errc::Unsupported, "the stream has no section that lists its RAM"};
}

}  // namespace vmstream
