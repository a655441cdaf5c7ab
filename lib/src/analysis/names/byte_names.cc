// SPDX-License-Identifier: MIT
// Events carry values, not the bytes they came from. The wire has one form for each value, so that
// frames, names and numbers are put into bytes again. Here is decided when: device sections and EOF
// wait until the description behind them has come.
#include <vmstream/byte_names.h>

#include <fmt/format.h>

#include <optional>
#include <utility>

#include "analysis/names/record_names.h"
#include "analysis/names/section_names.h"
#include "analysis/names/stretch_writer.h"
#include "analysis/scan/device_keeper.h"

#include <vmstream/text.h>

namespace vmstream {

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
  RamNames ram{out};
  DiskNames disk{out};
  uint32_t stream_version = 3;
  SectionHeader section;
  bool in_section = false;  // one that is named as it comes
  DeviceKeeper held;
  std::optional<uint64_t> held_eof;
  std::string lost_meaning;  // empty where nothing is lost

  bool is_in(std::string_view idstr) const { return in_section && section.idstr == idstr; }
  void release(const Vmdesc* vmdesc);
};

// Names the device sections that waited for a description, and EOF.
void ByteNamer::State::release(const Vmdesc* vmdesc) {
  out.flush();
  for (const KeptDevice& device : held.devices()) {
    name_section_head(out, device.header, stream_version);
    name_device_body(out, device, vmdesc);
    name_section_end(out, device.header, device.end);
  }
  held.clear();
  if (auto eof = std::exchange(held_eof, std::nullopt)) name_eof(out, *eof);
}

ByteNamer::ByteNamer(Receiver receiver, NamingOptions options)
    : state_(std::make_unique<State>(std::move(receiver), options)) {}

ByteNamer::~ByteNamer() = default;

Status ByteNamer::on_header(const StreamHeader& header) {
  state_->stream_version = header.version;
  name_header(state_->out, header);
  return state_->out.status();
}

Status ByteNamer::on_configuration(const Configuration& configuration) {
  name_configuration(state_->out, configuration);
  return state_->out.status();
}

Status ByteNamer::on_section(const SectionHeader& header) {
  State& state = *state_;
  if (header.type == SectionType::Full && state.stream_version == 3) {
    state.held.on_section(header);
    return state.out.status();
  }
  state.release(nullptr);
  state.section = header;
  state.in_section = true;
  state.ram.begin_section();
  state.disk.begin_section();
  name_section_head(state.out, state.section, state.stream_version);
  return state.out.status();
}

Status ByteNamer::on_ram_blocks(const RamBlockList& list) {
  state_->ram.name_blocks(list);
  return state_->out.status();
}

Status ByteNamer::on_page(const Page& page) {
  state_->ram.name_page(page);
  return state_->out.status();
}

Status ByteNamer::on_ram_mark(RamMark mark, uint64_t) {
  state_->ram.name_mark(mark);
  return state_->out.status();
}

Status ByteNamer::on_body(uint64_t, std::span<const std::byte> bytes) {
  State& state = *state_;
  if (!state.in_section) {
    state.held.on_body(bytes);
    return state.out.status();
  }
  state.ram.end_row();
  if (state.is_in("block")) {
    state.disk.name_piece(bytes);
  } else if (state.is_in("ram")) {
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
  state.ram.end_row();
  name_section_end(state.out, header, end);
  state.in_section = false;
  return state.out.status();
}

Status ByteNamer::on_command(const Command& command) {
  state_->release(nullptr);
  name_command(state_->out, command);
  return state_->out.status();
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
  state_->release(record.description.get());
  name_vmdesc(state_->out, record);
  return state_->out.status();
}

Status ByteNamer::on_cut_vmdesc(const VmdescRecord& record) {
  state_->release(record.description.get());
  return state_->out.status();
}

Status ByteNamer::on_trailing(uint64_t, std::span<const std::byte> bytes) {
  state_->release(nullptr);
  state_->out.piece(bytes, ByteKind::Lost, "behind the end of the stream");
  return state_->out.status();
}

Status ByteNamer::on_lost(uint64_t offset, std::span<const std::byte> bytes) {
  State& state = *state_;
  state.release(nullptr);
  state.ram.end_row();
  state.out.advance_to(offset, "not told");
  if (state.lost_meaning.empty()) {
    auto broken = state.is_in("ram") ? state.ram.name_broken_page(bytes) : std::nullopt;
    state.lost_meaning = broken.value_or("breaks off: not understood");
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
  state_->ram.end_row();
  state_->out.flush();
  state_->out.advance_to(scan.plain_bytes, "behind a fault: not understood");
  return has_passed_range() ? ok() : state_->out.status();
}

bool ByteNamer::has_passed_range() const {
  return state_->out.is_behind_range();
}

}  // namespace vmstream
