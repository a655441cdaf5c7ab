// SPDX-License-Identifier: MIT
#include "support/event_log.h"

#include <fmt/format.h>

#include <algorithm>

namespace testing {

using namespace vmstream;

namespace {

uint64_t sum_of(std::span<const std::byte> bytes) {
  uint64_t sum = 0;
  for (std::byte b : bytes) sum = sum * 31 + std::to_integer<uint64_t>(b);
  return sum;
}

}  // namespace

bool EventLog::has(std::string_view text) const {
  return count(text) > 0;
}

size_t EventLog::count(std::string_view text) const {
  return static_cast<size_t>(std::ranges::count_if(
      lines, [&](const std::string& line) { return line.find(text) != std::string::npos; }));
}

Status EventLog::add(std::string line) {
  flush();
  lines.push_back(std::move(line));
  return ok();
}

void EventLog::extend(std::string_view kind, std::span<const std::byte> bytes) {
  if (!run_.starts_with(kind)) {
    flush();
    run_ = fmt::format("{} ", kind);
  }
  for (std::byte b : bytes) run_ += fmt::format("{:02x}", std::to_integer<unsigned>(b));
}

void EventLog::flush() {
  if (!run_.empty()) lines.push_back(std::exchange(run_, {}));
}

Status EventLog::on_header(const StreamHeader& header) {
  return add(fmt::format("header version {}", header.version));
}

Status EventLog::on_configuration(const Configuration& c) {
  std::string line = fmt::format("configuration {} machine {}", c.length, c.machine);
  if (c.target_page_bits) line += fmt::format(" bits {}", *c.target_page_bits);
  if (c.capabilities) line += fmt::format(" capabilities {}", fmt::join(*c.capabilities, ","));
  if (c.uuid) line += fmt::format(" uuid {:x}", sum_of(*c.uuid));
  return add(line);
}

Status EventLog::on_section(const SectionHeader& h) {
  return add(fmt::format("{} id {} {} instance {} version {} at {:#x} body {:#x}", name_of(h.type),
                         h.section_id, h.idstr, h.instance_id, h.version_id, h.offset,
                         h.body_offset));
}

Status EventLog::on_ram_blocks(const RamBlockList& list) {
  std::string line = fmt::format("blocks total {:#x}:", list.total_bytes);
  for (const RamBlock& block : list.blocks) {
    line += fmt::format(" {}={:#x}", block.name, block.used_length);
    if (block.page_size) line += fmt::format(" page size {:#x}", *block.page_size);
    if (block.guest_address) line += fmt::format(" address {:#x}", *block.guest_address);
    if (block.mapped) line += fmt::format(" pages at {:#x}", block.mapped->pages_offset);
  }
  return add(line);
}

Status EventLog::on_page(const Page& page) {
  return add(fmt::format("page {} {} {:#x} fill {} at {:#x} payload {:#x} {} {:x}",
                         name_of(page.kind), page.block ? page.block->name : "-", page.block_offset,
                         page.fill, page.offset, page.payload_offset, page.payload.size(),
                         sum_of(page.payload)));
}

Status EventLog::on_ram_mark(RamMark mark, uint64_t offset) {
  return add(fmt::format("mark {} at {:#x}", static_cast<int>(mark), offset));
}

Status EventLog::on_body(uint64_t, std::span<const std::byte> bytes) {
  extend("body", bytes);
  return ok();
}

Status EventLog::on_section_end(const SectionHeader& header, const SectionEnd& end) {
  return add(fmt::format("end of {} length {} by {}{} at {:#x}", header.idstr, end.body_length,
                         name_of(end.bounded_by), end.footer ? " footer" : "", end.end_offset));
}

Status EventLog::on_command(const Command& command) {
  return add(fmt::format("command {} {} {:x} package {}", name_of(command.type),
                         command.payload.size(), sum_of(command.payload),
                         command.package_length.value_or(0)));
}

Status EventLog::on_package_end(uint64_t offset) {
  return add(fmt::format("package end at {:#x}", offset));
}

Status EventLog::on_eof(uint64_t offset) {
  return add(fmt::format("eof at {:#x}", offset));
}

Status EventLog::on_vmdesc(const VmdescRecord& record) {
  return add(fmt::format("vmdesc at {:#x} {}", record.offset, record.json.size()));
}

Status EventLog::on_trailing(uint64_t, std::span<const std::byte> bytes) {
  extend("trailing", bytes);
  return ok();
}

Status EventLog::on_problem(const Problem& problem) {
  return add(fmt::format("problem at {:#x}: {}", problem.offset, problem.message));
}

Status parse_in_pieces(std::span<const std::byte> bytes, size_t piece, StreamVisitor& visitor,
                       const ParseLimits& limits, ParseContext context) {
  StreamParser parser(visitor, limits, context);
  while (!bytes.empty()) {
    size_t count = std::min(piece, bytes.size());
    if (auto status = parser.feed(bytes.first(count)); !status) return status;
    bytes = bytes.subspan(count);
  }
  return parser.finish();
}

Outcome parse_all(std::span<const std::byte> bytes, size_t piece, const ParseLimits& limits,
                  ParseContext context) {
  Outcome outcome;
  outcome.status = parse_in_pieces(bytes, piece, outcome.log, limits, context);
  return outcome;
}

}  // namespace testing
