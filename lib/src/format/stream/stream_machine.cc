// SPDX-License-Identifier: MIT
#include "format/stream/stream_machine.h"

#include <fmt/format.h>

#include <vmstream/text.h>
#include "base/endian.h"
#include "format/records/records.h"
#include "format/wire.h"

namespace vmstream {
namespace {}  // namespace

StreamMachine::StreamMachine(StreamVisitor& visitor, const ParseLimits& limits,
                             const ParseContext& context)
    : visitor_(visitor),
      limits_(limits),
      table_(limits),
      bounds_(visitor, limits, table_, context.vmdesc),
      ram_(visitor, limits),
      body_(visitor, bounds_, ram_),
      tail_(visitor, limits, table_, bounds_, ram_),
      resume_(context.resume) {
  ram_.show(context.mapped_pages);
  uint32_t page_size = context.target_page_size;
  if (page_size == 0 && context.vmdesc) page_size = context.vmdesc->page_size();
  if (page_size != 0) ram_.set_page_size(page_size);
}

Result<Step> StreamMachine::step(const Window& window) {
  if (lost_) return search(window);
  auto step = advance(window);
  if (step || !may_take_up(step.error())) return step;
  // A footer that names another section is a place itself, and a damaged one has an end.
  bool at_footer = body_.is_at_footer();
  uint64_t from = window.offset + (at_footer ? 0 : 1);
  auto likely = at_footer ? std::optional(window.offset + wire::kFooterBytes) : std::nullopt;
  lost_ = Lost{step.error(), window.offset,
               Resync(table_, ram_, limits_, bounds_.footers(), from, likely),
               ended_before_ ? LoadEffect::Ignored : ram_.effect_of_fault()};
  return Step{};
}

bool StreamMachine::may_take_up(const Error& fault) const {
  bool among_records = at_ != At::Header && at_ < At::Tail;
  return resume_ && among_records && is_stream_fault(fault) && !table_.is_full();
}

Result<Step> StreamMachine::search(const Window& window) {
  auto point = lost_->search.find(window);
  if (point) return take_up(window, *point);
  size_t passed = lost_->search.passed(window);
  if (passed > 0) {
    auto seen = visitor_.on_lost(window.offset, window.bytes.first(passed));
    if (!seen) return seen.error();
  }
  if (window.last && passed == window.bytes.size()) return lost_->fault;
  return Step{passed, window.last ? 0 : window.bytes.size() - passed + 1};
}

// Everybody hears of it as of a problem, too.
Status StreamMachine::tell_gap(const StreamGap& gap) {
  if (auto seen = visitor_.on_gap(gap); !seen) return seen;
  return visitor_.on_problem(
      {.offset = gap.fault.offset.value_or(gap.from),
       .message = fmt::format("{}; {} bytes from {:#x} on are lost, reading goes on at {:#x}",
                              gap.fault.message, gap.to - gap.from, gap.from, gap.to),
       .effect = gap.effect});
}

Result<Step> StreamMachine::take_up(const Window& window, const Resync::Point& point) {
  auto skipped = static_cast<size_t>(point.offset - window.offset);
  bool own_footer = point.kind == Resync::Point::Kind::Footer && body_.is_open(point.section_id);
  bool other_footer = point.kind == Resync::Point::Kind::Footer && !own_footer;
  bool ram_goes_on = point.kind == Resync::Point::Kind::RamRecord && body_.is_in_ram();
  if (other_footer) skipped += wire::kFooterBytes;
  if (skipped > 0) {
    auto seen = visitor_.on_lost(window.offset, window.bytes.first(skipped));
    if (!seen) return seen.error();
  }
  StreamGap gap{lost_->fault, lost_->from, window.offset + skipped, own_footer || ram_goes_on,
                lost_->effect};
  lost_.reset();
  package_end_.reset();
  bounds_.set_packaged(false);
  ram_.take_up();
  if (auto told = tell_gap(gap); !told) return told.error();
  if (!gap.in_section) body_.abandon();
  switch (point.kind) {
    case Resync::Point::Kind::Footer:
      if (own_footer) body_.take_up_footer(point.offset);
      break;
    case Resync::Point::Kind::Record:
      break;
    case Resync::Point::Kind::Vmdesc:
      tail_.take_up_vmdesc(point.offset);
      at_ = At::Tail;
      return Step{skipped, 0};
    case Resync::Point::Kind::RamRecord:
      if (ram_goes_on) break;
      if (auto begun = take_up_ram(point.offset); !begun) return begun.error();
      break;
  }
  at_ = body_.is_open() ? At::Body : At::Record;
  return Step{skipped, 0};
}

// In the middle of a slice whose head is lost: shown as a PART that begins here.
Status StreamMachine::take_up_ram(uint64_t offset) {
  ram_section_->type = SectionType::Part;
  ram_section_->offset = ram_section_->body_offset = offset;
  if (auto status = visitor_.on_section(*ram_section_); !status) return status;
  return body_.begin(*ram_section_);
}

// Records of a package see its bytes alone; all of them are at hand before the first is read.
Result<Step> StreamMachine::advance(const Window& window) {
  if (!package_end_) return step_in(window);
  Window package = window.until(*package_end_);
  if (package.bytes.empty() && at_ == At::Record) return take_package_end(window);
  auto step = step_in(package);
  if (step && step->wanted == 0) return step;
  std::string reason = step ? "its records end in the middle of one" : step.error().message;
  if (!step && step.error().code != Errc::Truncated) return step;
  return malformed(package.end(), fmt::format("package: {}", reason));
}

Result<Step> StreamMachine::step_in(const Window& window) {
  switch (at_) {
    case At::Header:
      return take_header(window);
    case At::BehindHeader:
      return take_configuration(window);
    case At::Record:
      return take_record(window);
    case At::Body:
      return take_body(window, At::Record);
    case At::Tail:
      return take_tail(window);
    case At::LegacyRecord:
      return take_legacy_record(window);
    case At::LegacyBody:
      return take_body(window, At::LegacyRecord);
  }
  return Step{};
}

Result<Step> StreamMachine::take_header(const Window& window) {
  ByteReader in(window.bytes, window.offset);
  StreamHeader header = read_stream_header(in);
  // Of a version that cannot be read it is known at least which one that is.
  bool is_told = in.ok() || (in.missing() == 0 && header.version > wire::kSectionedVersion);
  if (is_told) {
    if (auto status = visitor_.on_header(header); !status) return status.error();
  }
  if (!in.ok()) return short_read(in, window);
  at_ = header.version == wire::kSectionedVersion ? At::BehindHeader : At::LegacyRecord;
  if (header.record_bytes) {
    if (*header.record_bytes > UINT64_MAX - in.offset()) {
      return malformed(in.last_offset(),
                       fmt::format("stream length {:#x} is not possible", *header.record_bytes));
    }
    legacy_end_ = in.offset() + *header.record_bytes;
  }
  return Step{consumed_by(in, window), 0};
}

Result<Step> StreamMachine::take_configuration(const Window& window) {
  if (window.bytes.empty() && !window.last) return Step{0, 1};
  at_ = At::Record;
  if (window.bytes.empty() ||
      static_cast<SectionType>(window.bytes[0]) != SectionType::Configuration) {
    return Step{};
  }
  ByteReader in(window.bytes, window.offset);
  uint32_t subsection_version = 1;
  Configuration configuration = read_configuration(in, limits_, &subsection_version);
  if (!in.ok()) {
    at_ = At::BehindHeader;
    return short_read(in, window);
  }
  ram_.configure(configuration);
  if (auto status = visitor_.on_configuration(configuration); !status) return status.error();
  if (subsection_version != 1) {
    auto seen = visitor_.on_problem(
        {.offset = configuration.offset,
         .message = fmt::format("a subsection of the configuration has version {:#x}, wanted 1",
                                subsection_version),
         .effect = LoadEffect::Ignored});
    if (!seen) return seen.error();
  }
  return Step{consumed_by(in, window), 0};
}

Result<Step> StreamMachine::take_record(const Window& window) {
  if (window.bytes.empty()) {
    if (!window.last) return Step{0, 1};
    return Error{Errc::Truncated, "the stream ends without its end mark", window.offset};
  }
  auto type = static_cast<SectionType>(window.bytes[0]);
  switch (type) {
    case SectionType::Eof:
      return take_eof(window);
    case SectionType::Start:
    case SectionType::Part:
    case SectionType::End:
      return take_iterable(window);
    case SectionType::Full:
      return take_device(window);
    case SectionType::Command:
      return take_command(window);
    case SectionType::Subsection:
    case SectionType::Vmdescription:
    case SectionType::Configuration:
    case SectionType::Footer:
      return malformed(window.offset,
                       fmt::format("a {} record is out of place here", name_of(type)));
  }
  return malformed(window.offset, fmt::format("record type is {:#04x}, wanted 0x00 to 0x04 or 0x08",
                                              static_cast<unsigned>(type)));
}

Result<Step> StreamMachine::take_iterable(const Window& window) {
  ByteReader in(window.bytes, window.offset);
  SectionHeader header = read_section_header(in);
  if (!in.ok()) return short_read(in, window);
  auto section = bind(header);
  if (!section) return section.error();
  // A section that cannot be read is not told of: it is lost as a whole.
  if (auto status = body_.begin(**section); !status) return status.error();
  at_ = At::Body;
  if (body_.is_in_ram()) ram_section_ = *section;
  if (auto status = visitor_.on_section(**section); !status) return status.error();
  return Step{consumed_by(in, window), 0};
}

Result<SectionHeader*> StreamMachine::bind(const SectionHeader& header) {
  SectionHeader* section = table_.find(header.section_id);
  if (header.type == SectionType::Start) {
    bool again = section && section->idstr == header.idstr &&
                 section->instance_id == header.instance_id &&
                 section->version_id == header.version_id;
    if (!again) return table_.open(header);
    auto seen =
        visitor_.on_problem({.offset = header.offset,
                             .message = fmt::format("{} is started twice", place_of(header)),
                             .effect = LoadEffect::Ignored});
    if (!seen) return seen.error();
  }
  if (!section) {
    return malformed(header.offset, fmt::format("{} of section id {}, which was not started",
                                                name_of(header.type), header.section_id));
  }
  section->type = header.type;
  section->offset = header.offset;
  section->body_offset = header.body_offset;
  return section;
}

// What comes in pieces: the machine goes on `behind` its end.
Result<Step> StreamMachine::take_body(const Window& window, At behind) {
  auto step = body_.step(window);
  if (!body_.is_open()) at_ = behind;
  return step;
}

// Head, body and footer in one step: nothing is shown before the end is known.
Result<Step> StreamMachine::take_device(const Window& window) {
  ByteReader in(window.bytes, window.offset);
  SectionHeader header = read_section_header(in);
  if (!in.ok()) return short_read(in, window);
  size_t head = consumed_by(in, window);
  Window body = window.from(head);
  auto found = bounds_.find(header, body);
  if (!found) return found.error();
  if (!*found) return Step{0, head + bounds_.wanted()};
  const SectionBounds::Bound& bound = **found;
  if (auto status = table_.add_device(header); !status) return status.error();
  bounds_.set_footers(bound.footer);
  auto length = static_cast<size_t>(bound.body_length);
  size_t whole = head + length + (bound.footer ? wire::kFooterBytes : 0);
  SectionEnd end{.body_length = length,
                 .end_offset = window.offset + whole,
                 .footer = bound.footer,
                 .bounded_by = bound.by};
  if (auto status = visitor_.on_section(header); !status) return status.error();
  if (auto status = visitor_.on_body(body.offset, body.bytes.first(length)); !status) {
    return status.error();
  }
  if (auto status = visitor_.on_section_end(header, end); !status) return status.error();
  return Step{whole, 0};
}

Result<Step> StreamMachine::take_command(const Window& window) {
  ByteReader in(window.bytes, window.offset);
  Command command = read_command(in);
  if (!in.ok()) return short_read(in, window);
  size_t consumed = consumed_by(in, window);
  if (command.package_length) {
    uint64_t length = *command.package_length;
    if (package_end_) return malformed(window.offset, "a package within a package");
    if (length > limits_.package_bytes) {
      return Error{
          Errc::Unsupported,
          fmt::format("package of {} bytes, at most {} are kept", length, limits_.package_bytes),
          window.offset};
    }
    uint64_t left = window.bytes.size() - consumed;
    if (left < length) {
      if (!window.last) return Step{0, consumed + static_cast<size_t>(length)};
      return Error{Errc::Truncated, fmt::format("package needs {} bytes, {} left", length, left),
                   in.offset()};
    }
    package_end_ = in.offset() + length;
    bounds_.set_packaged(true);
  }
  learn_page_size(command);
  if (auto status = visitor_.on_command(command); !status) return status.error();
  return Step{consumed, 0};
}

void StreamMachine::learn_page_size(const Command& command) {
  constexpr size_t kAdviceBytes = 16;  // page-size summary, target page size
  constexpr uint64_t kLargestPage = 65536;
  if (command.type != CommandType::PostcopyAdvise || command.payload.size() != kAdviceBytes) return;
  auto size = load_be<uint64_t>(command.payload.data() + 8);
  if (size >= 256 && size <= kLargestPage && (size & (size - 1)) == 0) {
    ram_.set_page_size(static_cast<uint32_t>(size));
  }
}

Result<Step> StreamMachine::take_package_end(const Window& window) {
  package_end_.reset();
  bounds_.set_packaged(false);
  if (auto status = visitor_.on_package_end(window.offset); !status) return status.error();
  return Step{};
}

Result<Step> StreamMachine::take_eof(const Window& window) {
  if (package_end_) return malformed(window.offset, "EOF within a package");
  at_ = At::Tail;
  return tail_.take_eof(window);
}

// QEMU stops at EOF whatever follows it. A sender writes nothing but the description there; where
// the stream goes on, something else has become a zero byte.
Result<Step> StreamMachine::take_tail(const Window& window) {
  if (!tail_.has_bare_end() || window.offset - *tail_.eof_offset() > limits_.device_tail_bytes) {
    return tail_.step(window);
  }
  if (!behind_eof_) {
    behind_eof_.emplace(table_, ram_, limits_, bounds_.footers(), window.offset, std::nullopt);
  }
  auto point = behind_eof_->find(window);
  if (!point) {
    size_t passed = behind_eof_->passed(window);
    if (window.last) return tail_.step(window);
    if (passed > 0) return tail_.step({window.bytes.first(passed), window.offset, false});
    return Step{0, window.bytes.size() + 1};
  }
  Error fault = malformed(
      *tail_.eof_offset(),
      fmt::format("the end mark stands here, but the stream goes on at {:#x}", point->offset));
  if (!resume_) return fault;
  lost_ = Lost{std::move(fault), *tail_.eof_offset(), *std::exchange(behind_eof_, std::nullopt),
               LoadEffect::Ignored};
  tail_.take_back();
  ended_before_ = true;
  return take_up(window, *point);
}

// Streams before 0.10: records with a length, up to the end of the file (version 1) or up to the
// length that the header gave (version 2).
Result<Step> StreamMachine::take_legacy_record(const Window& window) {
  bool out_of_bytes = window.bytes.empty() && window.last;
  if (legacy_end_ ? window.offset == *legacy_end_ : out_of_bytes) {
    tail_.end_stream(window.offset);
    at_ = At::Tail;
    return Step{};
  }
  if (window.bytes.empty() && !window.last) return Step{0, 1};
  ByteReader in(window.bytes, window.offset);
  uint32_t length = 0;
  SectionHeader header = read_legacy_header(in, length);
  if (!in.ok()) return short_read(in, window);
  if (legacy_end_ && length > *legacy_end_ - in.offset()) {
    return malformed(in.last_offset(),
                     fmt::format("record '{}' has {} bytes, {} are left of the stream",
                                 escape(header.idstr), length, *legacy_end_ - in.offset()));
  }
  legacy_section_ = std::move(header);
  body_.begin_counted(legacy_section_, length);
  at_ = At::LegacyBody;
  if (auto status = visitor_.on_section(legacy_section_); !status) return status.error();
  return Step{consumed_by(in, window), 0};
}

}  // namespace vmstream
