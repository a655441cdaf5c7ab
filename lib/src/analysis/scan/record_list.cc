// SPDX-License-Identifier: MIT
// Every event that closes a record emits one; whatever lies between two records is emitted as
// unparsed, so that the list covers the stream whatever the parser had to leave out.
#include <vmstream/record_list.h>

#include <algorithm>
#include <utility>

namespace vmstream {
namespace {

// Type, command and length of a command record; its payload follows.
constexpr uint64_t kCommandHead = 1 + 2 + 2;
// Type and length of the vmdesc record; its text follows.
constexpr uint64_t kVmdescHead = 1 + 4;
constexpr uint64_t kEofLength = 1;
// Magic and version; version 2 adds the length of what follows.
constexpr uint64_t kHeaderLength = 4 + 4;
constexpr uint64_t kRecordBytesLength = 8;

// The longest body of an end mark alone: the be64 of ram and block.
constexpr uint64_t kEndMarkLength = 8;

}  // namespace

bool StreamRecord::is_empty_part() const {
  return section && section->type == SectionType::Part && whole && page_records == 0 &&
         body_length <= kEndMarkLength;
}

std::string_view name_of(const StreamRecord& record) {
  switch (record.kind) {
    case RecordKind::Header:
      return "header";
    case RecordKind::Configuration:
      return "configuration";
    case RecordKind::Section:
      return name_of(record.section ? record.section->type : SectionType::Full);
    case RecordKind::Command:
      return "command";
    case RecordKind::Eof:
      return "eof";
    case RecordKind::Vmdesc:
      return "vmdesc";
    case RecordKind::Trailing:
      return "trailing";
    case RecordKind::Unparsed:
      return "unparsed";
  }
  return "unparsed";
}

struct RecordLister::State {
  Receiver receiver;
  ProblemLog problems;
  uint64_t covered = 0;              // end of the last record
  std::optional<StreamRecord> open;  // the section that has begun and not ended
  uint64_t package_end = 0;          // end of the package that is open
  uint64_t trailing_bytes = 0;

  Status emit(StreamRecord record) {
    if (record.offset > covered) {
      auto gap = receiver({.offset = covered, .length = record.offset - covered});
      if (!gap) return gap;
    }
    record.packaged = record.offset < package_end;
    covered = record.offset + record.length;
    return receiver(record);
  }

  // A section that a fault cut off, at `fault_offset`. A malformed place ends it where bytes stop
  // making sense; at the end of the input, at `limit`, all that is left belongs to it.
  Status emit_broken(uint64_t fault_offset, uint64_t limit) {
    StreamRecord record = *std::exchange(open, std::nullopt);
    uint64_t body_offset = std::min(record.section->body_offset, limit);
    uint64_t end = std::clamp(fault_offset, body_offset, limit);
    record.length = end - record.offset;
    record.body_length = end - body_offset;
    record.whole = false;
    return emit(std::move(record));
  }
};

RecordLister::RecordLister(Receiver receiver) : state_(std::make_unique<State>()) {
  state_->receiver = std::move(receiver);
}

RecordLister::~RecordLister() = default;

const ProblemLog& RecordLister::problems() const {
  return state_->problems;
}

Status RecordLister::on_header(const StreamHeader& header) {
  uint64_t length = kHeaderLength + (header.record_bytes ? kRecordBytesLength : 0);
  return state_->emit({.kind = RecordKind::Header, .offset = 0, .length = length});
}

Status RecordLister::on_configuration(const Configuration& configuration) {
  return state_->emit({.kind = RecordKind::Configuration,
                       .offset = configuration.offset,
                       .length = configuration.length});
}

Status RecordLister::on_section(const SectionHeader& header) {
  state_->open =
      StreamRecord{.kind = RecordKind::Section, .offset = header.offset, .section = header};
  return ok();
}

Status RecordLister::on_page(const Page&) {
  if (state_->open) ++state_->open->page_records;
  return ok();
}

Status RecordLister::on_section_end(const SectionHeader&, const SectionEnd& end) {
  StreamRecord record = std::exchange(state_->open, std::nullopt).value_or(StreamRecord{});
  record.length = end.end_offset - record.offset;
  record.body_length = end.body_length;
  record.footer = end.footer;
  record.bounded_by = end.bounded_by;
  return state_->emit(std::move(record));
}

Status RecordLister::on_command(const Command& command) {
  StreamRecord record{.kind = RecordKind::Command,
                      .offset = command.offset,
                      .length = kCommandHead + command.payload.size(),
                      .command = command.type};
  auto emitted = state_->emit(std::move(record));
  if (command.package_length) state_->package_end = state_->covered + *command.package_length;
  return emitted;
}

Status RecordLister::on_package_end(uint64_t) {
  state_->package_end = 0;
  return ok();
}

Status RecordLister::on_eof(uint64_t offset) {
  return state_->emit({.kind = RecordKind::Eof, .offset = offset, .length = kEofLength});
}

Status RecordLister::on_vmdesc(const VmdescRecord& vmdesc) {
  return state_->emit({.kind = RecordKind::Vmdesc,
                       .offset = vmdesc.offset,
                       .length = kVmdescHead + vmdesc.json.size()});
}

Status RecordLister::on_trailing(uint64_t, std::span<const std::byte> bytes) {
  state_->trailing_bytes += bytes.size();
  return ok();
}

Status RecordLister::on_problem(const Problem& problem) {
  state_->problems.add(problem);
  return ok();
}

Status RecordLister::on_gap(const StreamGap& gap) {
  if (!state_->open) return ok();
  if (!gap.in_section) return state_->emit_broken(gap.from, gap.to);
  state_->open->whole = false;
  return ok();
}

Status RecordLister::finish(const ScanResult& scan) {
  if (scan.fault) state_->problems.add(*scan.fault, scan.plain_bytes);
  if (state_->open) {
    if (auto broken = state_->emit_broken(scan.parsed_bytes, scan.plain_bytes); !broken)
      return broken;
  }
  uint64_t covered = std::exchange(state_->covered, scan.plain_bytes);
  if (covered >= scan.plain_bytes) return ok();
  StreamRecord rest{.offset = covered, .length = scan.plain_bytes - covered};
  if (rest.length == state_->trailing_bytes) rest.kind = RecordKind::Trailing;
  return state_->receiver(rest);
}

}  // namespace vmstream
