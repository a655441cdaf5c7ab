// SPDX-License-Identifier: MIT
// Events carry values, not the bytes they came from. The wire has one form for each value, so that
// frames, names and numbers are put into bytes again here.
#include <vmstream/byte_names.h>

#include <fmt/format.h>

#include <array>
#include <utility>

#include "analysis/scan/device_keeper.h"
#include "analysis/scan/stretch_writer.h"

#include <vmstream/byte_reader.h>
#include <vmstream/device_state.h>
#include <vmstream/text.h>

namespace vmstream {
namespace {

using analysis::KeptDevice;
using analysis::StretchWriter;

struct FlagName {
  uint64_t bit;
  std::string_view name;
};

constexpr std::array kRamFlags{
    FlagName{0x002, "zero"}, FlagName{0x004, "mem-size"}, FlagName{0x008, "page"},
    FlagName{0x010, "eos"},  FlagName{0x020, "continue"}, FlagName{0x040, "xbzrle"},
    FlagName{0x080, "hook"}, FlagName{0x100, "compress"}, FlagName{0x200, "multifd-flush"},
};
constexpr std::array kBlockFlags{
    FlagName{0x01, "device"},
    FlagName{0x02, "eos"},
    FlagName{0x04, "progress"},
    FlagName{0x08, "zero"},
};

std::string flag_names(std::span<const FlagName> table, uint64_t flags) {
  std::string names;
  for (const FlagName& flag : table) {
    if (flags & flag.bit) names += fmt::format("{}{}", names.empty() ? "" : " ", flag.name);
  }
  return names;
}

uint64_t flags_of(const Page& page) {
  uint64_t continued = page.continued ? 0x020 : 0;
  switch (page.kind) {
    case PageKind::Zero:
    case PageKind::Fill:
      return 0x002 | continued;
    case PageKind::Data:
      return 0x008 | continued;
    case PageKind::Xbzrle:
      return 0x040 | continued;
    case PageKind::Compressed:
      return 0x100 | continued;
  }
  return continued;
}

// Page records in a row that are shown as one stretch.
struct PageRow {
  uint64_t first = 0;
  uint64_t last = 0;
  uint64_t pages = 0;
  uint64_t data_pages = 0;
  uint64_t zero_pages = 0;
};

std::string describe_row(const PageRow& row) {
  return fmt::format("{} more pages, {:#x} to {:#x}: {} data, {} zero", row.pages, row.first,
                     row.last, row.data_pages, row.zero_pages);
}

}  // namespace

std::string_view name_of(ByteKind kind) {
  switch (kind) {
    case ByteKind::Frame:
      return "frame";
    case ByteKind::Name:
      return "name";
    case ByteKind::Number:
      return "number";
    case ByteKind::Page:
      return "page";
    case ByteKind::Body:
      return "body";
    case ByteKind::Description:
      return "description";
    case ByteKind::Lost:
      return "lost";
  }
  return "unknown";
}

struct ByteNamer::State {
  State(Receiver receiver, const NamingOptions& options) : out(std::move(receiver), options) {}

  StretchWriter out;
  uint32_t stream_version = 3;
  SectionHeader section;
  bool in_section = false;
  bool first_of_section = false;  // no page of it has been shown
  size_t blocks_shown = 0;
  std::span<const std::byte> body = {};  // of the device being shown
  uint64_t body_offset = 0;
  uint64_t block_payload = 0;  // bytes of a disk chunk to come
  std::optional<PageRow> row;
  uint64_t row_end = 0;
  analysis::DeviceKeeper held;
  std::optional<uint64_t> held_eof;
  std::string lost_meaning;  // empty where nothing is lost

  void end_row();
  void show_head(const SectionHeader& header);
  void show_footer(const SectionHeader& header, const SectionEnd& end);
  void show_block(const RamBlock& block);
  void show_page(const Page& page);
  void show_device(const KeptDevice& device, const Vmdesc* vmdesc);
  void show_parts(const KeptDevice& device, const VmdescDevice& described);
  void show_frame(uint64_t end, const std::string& of);
  void show_field(const std::string& prefix, const DeviceField& field);
  void show_subsections(const std::string& prefix, const std::vector<DeviceSubsection>& list);
  void show_block_record(std::span<const std::byte> bytes);
  void show_broken_page(std::span<const std::byte>& bytes);
  void release(const Vmdesc* vmdesc);
};

void ByteNamer::State::end_row() {
  if (!row) return;
  out.count(row_end - out.offset(), ByteKind::Page, describe_row(*row));
  row.reset();
}

void ByteNamer::State::show_head(const SectionHeader& header) {
  if (header.body_offset == header.offset) return;  // a slice whose head is lost
  if (stream_version < 3) {
    out.counted("record name", header.idstr);
    out.number(header.instance_id, 4, fmt::format("instance id {}", header.instance_id));
    out.number(header.version_id, 4, fmt::format("version id {}", header.version_id));
    out.count(header.body_offset - out.offset(), ByteKind::Number, "length of the body");
    return;
  }
  auto type = static_cast<unsigned>(header.type);
  bool bound = header.type == SectionType::Part || header.type == SectionType::End;
  out.number(type, 1,
             fmt::format("section type: {}{}", name_of(header.type),
                         bound ? fmt::format(" of '{}'", escape(header.idstr)) : ""),
             ByteKind::Frame);
  out.number(header.section_id, 4, fmt::format("section id {}", header.section_id));
  if (bound) return;
  out.counted("idstr", header.idstr);
  out.number(header.instance_id, 4, fmt::format("instance id {}", header.instance_id));
  out.number(header.version_id, 4, fmt::format("version id {}", header.version_id));
}

void ByteNamer::State::show_footer(const SectionHeader& header, const SectionEnd& end) {
  if (!end.footer) return;
  out.number(0x7e, 1, "footer", ByteKind::Frame);
  out.number(header.section_id, 4, fmt::format("section id {}", header.section_id));
}

void ByteNamer::State::show_block(const RamBlock& block) {
  out.advance_to(block.offset, "not told");
  out.counted("RAM block", block.name);
  out.number(block.used_length, 8, fmt::format("length {:#x}", block.used_length));
  if (block.page_size)
    out.number(*block.page_size, 8, fmt::format("page size {}", *block.page_size));
  if (block.guest_address) {
    out.number(*block.guest_address, 8, fmt::format("guest address {:#x}", *block.guest_address));
  }
  if (!block.mapped) return;
  out.number(1, 4, "mapped-ram header version 1");
  out.number(block.mapped->page_size, 8, fmt::format("page size {}", block.mapped->page_size));
  out.number(block.mapped->bitmap_offset, 8,
             fmt::format("bitmap at {:#x} of the file", block.mapped->bitmap_offset));
  out.number(block.mapped->pages_offset, 8,
             fmt::format("pages at {:#x} of the file", block.mapped->pages_offset));
}

void ByteNamer::State::show_page(const Page& page) {
  std::string place = fmt::format("page {:#x}", page.block_offset);
  if (page.block && page.block->mapped) {
    bool stored = page.kind == PageKind::Data;
    out.bytes(page.payload, ByteKind::Page,
              fmt::format("{} of '{}', {}", place, escape(page.block->name),
                          stored ? "stored" : "absent"));
    return;
  }
  uint64_t flags = flags_of(page);
  out.number(page.block_offset | flags, 8,
             fmt::format("{}, flags {:#x}: {}", place, flags, flag_names(kRamFlags, flags)));
  if (page.block && !page.continued) out.counted("block", page.block->name);
  switch (page.kind) {
    case PageKind::Zero:
    case PageKind::Fill:
      out.number(page.fill, 1, fmt::format("every byte is {:#04x}", page.fill), ByteKind::Page);
      return;
    case PageKind::Xbzrle:
      out.number(1, 1, "encoding: xbzrle");
      out.number(page.payload.size(), 2, fmt::format("{} bytes of delta", page.payload.size()));
      break;
    case PageKind::Compressed:
      out.number(page.payload.size(), 4, fmt::format("{} bytes of zlib", page.payload.size()));
      break;
    case PageKind::Data:
      break;
  }
  out.bytes(page.payload, ByteKind::Page, fmt::format("content of {}", place));
}

void ByteNamer::State::show_device(const KeptDevice& device, const Vmdesc* vmdesc) {
  out.advance_to(device.header.offset, "between records");
  out.set_section(&device.header);
  show_head(device.header);
  const VmdescDevice* described =
      vmdesc ? vmdesc->find(device.header.idstr, device.header.instance_id) : nullptr;
  if (!device.kept) {
    out.count(device.end.body_length, ByteKind::Body, "body, too large to be kept");
  } else if (described && described->body_length() == device.body.size()) {
    show_parts(device, *described);
  } else {
    out.bytes(device.body, ByteKind::Body,
              fmt::format("body of '{}', not described", escape(device.header.idstr)));
  }
  show_footer(device.header, device.end);
  out.set_section(nullptr);
}

// Counts and marks around the elements of lists are no fields.
void ByteNamer::State::show_frame(uint64_t end, const std::string& of) {
  if (out.offset() >= end) return;
  auto at = static_cast<size_t>(out.offset() - body_offset);
  out.bytes(body.subspan(at, static_cast<size_t>(end - out.offset())), ByteKind::Frame,
            "around the elements of " + of);
}

// Every field of its own, those of structs and the elements of lists too.
void ByteNamer::State::show_field(const std::string& prefix, const DeviceField& field) {
  std::string path = prefix + escape(field.name);
  if (field.index) path += fmt::format("[{}]", *field.index);
  show_frame(field.offset, path);
  if (!field.is_composite()) {
    out.bytes(field.bytes, ByteKind::Body, fmt::format("{} ({})", path, escape(field.type)));
    return;
  }
  bool list = field.kind == ValueKind::List;
  for (const DeviceField& inner : field.fields) show_field(list ? prefix : path + ".", inner);
  show_subsections(path + ".", field.subsections);
  show_frame(field.offset + field.size(), path);
}

void ByteNamer::State::show_subsections(const std::string& prefix,
                                        const std::vector<DeviceSubsection>& list) {
  constexpr size_t kHeadBytes = 1 + 1 + 4;  // and the name
  for (const DeviceSubsection& subsection : list) {
    std::string path = prefix + escape(subsection.name);
    auto at = static_cast<size_t>(subsection.offset - body_offset);
    out.bytes(body.subspan(at, kHeadBytes + subsection.name.size()), ByteKind::Frame,
              path + " (subsection)");
    for (const DeviceField& field : subsection.fields) show_field(path + ": ", field);
    show_subsections(prefix, subsection.subsections);
  }
}

void ByteNamer::State::show_parts(const KeptDevice& device, const VmdescDevice& described) {
  body = device.body;
  body_offset = device.header.body_offset;
  DeviceState state = decode_device(described, body, body_offset);
  for (const DeviceField& field : state.fields) {
    if (field.name != kUndescribed) show_field("", field);
  }
  show_subsections("", state.subsections);
  auto shown = static_cast<size_t>(out.offset() - body_offset);
  if (shown >= body.size()) return;
  out.bytes(body.subspan(shown), ByteKind::Body,
            state.problems.empty() ? std::string(kUndescribed)
                                   : "not as described: " + state.problems.front().message);
}

// Shows the device sections that wait for a description, and EOF.
void ByteNamer::State::release(const Vmdesc* vmdesc) {
  out.flush();
  for (const KeptDevice& device : held.devices()) show_device(device, vmdesc);
  held.clear();
  if (auto eof = std::exchange(held_eof, std::nullopt)) {
    out.advance_to(*eof, "between records");
    out.number(0, 1, "end of the sections (EOF)", ByteKind::Frame);
  }
}

void ByteNamer::State::show_block_record(std::span<const std::byte> bytes) {
  if (block_payload > 0 || bytes.size() < 8) {
    block_payload -= std::min<uint64_t>(block_payload, bytes.size());
    out.piece(bytes, ByteKind::Page, "disk data");
    return;
  }
  ByteReader in(bytes);
  auto word = in.be<uint64_t>("word");
  uint64_t flags = word & 0x1ff;
  out.number(word, 8,
             fmt::format("flags {:#04x}: {}{}", flags, flag_names(kBlockFlags, flags),
                         word >> 9 ? fmt::format(", sector {}", word >> 9) : ""));
  if (bytes.size() == 8) return;
  out.counted("disk", in.counted_string("disk"));
  constexpr uint64_t kChunkBytes = 1u << 20;
  block_payload = flags & 0x08 ? 0 : kChunkBytes;
}

// The front of a page record that breaks off.
void ByteNamer::State::show_broken_page(std::span<const std::byte>& bytes) {
  ByteReader in(bytes);
  auto word = in.be<uint64_t>("record");
  uint64_t flags = word & 0x3ff;
  uint64_t kind = flags & ~uint64_t{0x020};
  if (!in.ok() || (kind != 0x008 && kind != 0x002 && kind != 0x040 && kind != 0x100)) return;
  out.number(word, 8,
             fmt::format("page {:#x}, flags {:#x}: {}", word & ~uint64_t{0x3ff}, flags,
                         flag_names(kRamFlags, flags)));
  bytes = in.rest();
  lost_meaning = fmt::format("page {:#x} from here on: breaks off", word & ~uint64_t{0x3ff});
}

ByteNamer::ByteNamer(Receiver receiver, NamingOptions options)
    : state_(std::make_unique<State>(std::move(receiver), options)) {}

ByteNamer::~ByteNamer() = default;

Status ByteNamer::on_header(const StreamHeader& header) {
  state_->stream_version = header.version;
  state_->out.number(kStreamMagic, 4, "magic: QEVM", ByteKind::Frame);
  state_->out.number(header.version, 4, fmt::format("stream version {}", header.version));
  if (header.record_bytes) {
    state_->out.number(*header.record_bytes, 8,
                       fmt::format("{} bytes follow", *header.record_bytes));
  }
  return state_->out.status();
}

Status ByteNamer::on_configuration(const Configuration& configuration) {
  StretchWriter& out = state_->out;
  out.number(7, 1, "configuration", ByteKind::Frame);
  const std::string& machine = configuration.machine;
  out.number(machine.size(), 4, "length of machine type");
  out.bytes(std::as_bytes(std::span(machine)), ByteKind::Name,
            fmt::format("machine type '{}'", escape(machine)));
  auto begin = [&](std::string_view name) {
    out.number(5, 1, "subsection", ByteKind::Frame);
    out.counted("name", name);
    out.number(1, 4, "version 1");
  };
  if (auto bits = configuration.target_page_bits) {
    begin("configuration/target-page-bits");
    out.number(*bits, 4, fmt::format("pages of 2^{} bytes", *bits));
  }
  if (configuration.capabilities) {
    begin("configuration/capabilities");
    out.number(configuration.capabilities->size(), 4, "number of capabilities");
    for (const auto& name : *configuration.capabilities) out.counted("capability", name);
  }
  if (configuration.uuid) {
    begin("configuration/uuid");
    out.bytes(*configuration.uuid, ByteKind::Number, "UUID of the guest");
  }
  return out.status();
}

Status ByteNamer::on_section(const SectionHeader& header) {
  State& state = *state_;
  if (header.type == SectionType::Full && state.stream_version == 3) {
    state.held.on_section(header);
    return state.out.status();
  }
  state.release(nullptr);
  state.section = header;
  state.in_section = state.first_of_section = true;
  state.block_payload = 0;
  state.out.advance_to(header.offset, "between records");
  state.out.set_section(&state.section);
  state.show_head(header);
  return state.out.status();
}

Status ByteNamer::on_ram_blocks(const RamBlockList& list) {
  State& state = *state_;
  state.end_row();
  state.out.flush();
  if (list.offset >= state.out.offset()) {
    state.blocks_shown = 0;
    state.out.number(list.total_bytes | 4, 8,
                     fmt::format("RAM {:#x} bytes, flags 0x4: mem-size", list.total_bytes));
  }
  for (; state.blocks_shown < list.blocks.size(); ++state.blocks_shown) {
    state.show_block(list.blocks[state.blocks_shown]);
  }
  return state.out.status();
}

Status ByteNamer::on_page(const Page& page) {
  State& state = *state_;
  uint64_t behind = page.payload_offset + page.payload.size();
  bool first = std::exchange(state.first_of_section, false) || !page.continued;
  bool mapped = page.block && page.block->mapped;
  if (state.out.shows_all() || (first && !mapped)) {
    state.end_row();
    if (state.out.wants(behind - page.offset)) {
      state.show_page(page);
    } else {
      state.out.count(behind - page.offset, ByteKind::Page, {});
    }
    return state.out.status();
  }
  if (!state.row) state.row = PageRow{.first = page.block_offset};
  PageRow& row = *state.row;
  row.last = page.block_offset;
  ++row.pages;
  if (page.kind == PageKind::Data) ++row.data_pages;
  if (page.kind == PageKind::Zero) ++row.zero_pages;
  state.row_end = behind;
  return state.out.status();
}

Status ByteNamer::on_ram_mark(RamMark mark, uint64_t) {
  state_->end_row();
  switch (mark) {
    case RamMark::EndOfSlice:
      state_->out.number(0x010, 8, "flags 0x10: eos, end of this slice");
      break;
    case RamMark::MultifdFlush:
      state_->out.number(0x200, 8, "flags 0x200: multifd-flush");
      break;
    case RamMark::Hook:
      state_->out.number(0x080, 8, "flags 0x80: hook");
      break;
  }
  return state_->out.status();
}

Status ByteNamer::on_body(uint64_t, std::span<const std::byte> bytes) {
  State& state = *state_;
  if (!state.in_section) {
    state.held.on_body(bytes);
    return state.out.status();
  }
  state.end_row();
  if (state.section.idstr == "block") {
    state.show_block_record(bytes);
  } else if (state.section.idstr == "ram") {
    state.out.piece(bytes, ByteKind::Body, "bitmap of stored pages, or a gap");
  } else {
    state.out.piece(bytes, ByteKind::Body,
                    fmt::format("body of '{}'", escape(state.section.idstr)));
  }
  return state.out.status();
}

Status ByteNamer::on_section_end(const SectionHeader& header, const SectionEnd& end) {
  State& state = *state_;
  if (!state.in_section) {
    state.held.on_section_end(end);
    return state.out.status();
  }
  state.end_row();
  state.show_footer(header, end);
  state.out.flush();
  state.out.set_section(nullptr);
  state.in_section = false;
  return state.out.status();
}

Status ByteNamer::on_command(const Command& command) {
  state_->release(nullptr);
  StretchWriter& out = state_->out;
  out.advance_to(command.offset, "between records");
  auto number = static_cast<unsigned>(command.type);
  out.number(8, 1, "command", ByteKind::Frame);
  out.number(number, 2, fmt::format("command {}: {}", number, name_of(command.type)));
  out.number(command.payload.size(), 2, "length of its payload");
  std::string meaning = command.package_length
                            ? fmt::format("{} bytes of records follow", *command.package_length)
                            : "payload of the command";
  out.bytes(command.payload, ByteKind::Number, std::move(meaning));
  return out.status();
}

Status ByteNamer::on_package_end(uint64_t) {
  state_->release(nullptr);
  return state_->out.status();
}

Status ByteNamer::on_eof(uint64_t offset) {
  state_->held_eof = offset;  // in its place behind the devices
  return state_->out.status();
}

Status ByteNamer::on_vmdesc(const VmdescRecord& record) {
  auto vmdesc = Vmdesc::parse(record.json);
  state_->release(vmdesc ? &*vmdesc : nullptr);
  StretchWriter& out = state_->out;
  out.advance_to(record.offset, "between records");
  out.number(6, 1, "vmdesc", ByteKind::Frame);
  out.number(record.json.size(), 4, fmt::format("{} bytes of JSON", record.json.size()));
  out.bytes(std::as_bytes(std::span(record.json)), ByteKind::Description,
            "description of the devices");
  return out.status();
}

Status ByteNamer::on_trailing(uint64_t, std::span<const std::byte> bytes) {
  state_->release(nullptr);
  state_->out.piece(bytes, ByteKind::Lost, "behind the end of the stream");
  return state_->out.status();
}

Status ByteNamer::on_lost(uint64_t offset, std::span<const std::byte> bytes) {
  State& state = *state_;
  state.release(nullptr);
  state.end_row();
  state.out.advance_to(offset, "not told");
  bool in_ram = state.in_section && state.section.idstr == "ram";
  if (state.lost_meaning.empty()) {
    state.lost_meaning = "breaks off: not understood";
    if (in_ram && bytes.size() >= 8) state.show_broken_page(bytes);
  }
  if (!bytes.empty()) state.out.piece(bytes, ByteKind::Lost, state.lost_meaning);
  return state.out.status();
}

Status ByteNamer::on_gap(const StreamGap& gap) {
  State& state = *state_;
  state.out.flush();
  state.lost_meaning.clear();
  if (!gap.in_section) {
    state.in_section = false;
    state.out.set_section(nullptr);
  }
  return state.out.status();
}

Status ByteNamer::finish(const ScanResult& scan) {
  if (has_passed_range()) return ok();
  state_->release(nullptr);
  state_->end_row();
  state_->out.flush();
  state_->out.advance_to(scan.plain_bytes, "behind a fault: not understood");
  return has_passed_range() ? ok() : state_->out.status();
}

bool ByteNamer::has_passed_range() const {
  return state_->out.is_behind_range();
}

}  // namespace vmstream
