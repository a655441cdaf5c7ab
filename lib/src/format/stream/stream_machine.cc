// SPDX-License-Identifier: MIT
#include "format/stream/stream_machine.h"

#include <fmt/format.h>

#include <algorithm>

#include "format/malformed.h"
#include "format/stream/records.h"
#include "format/wire.h"

#include <vmstream/text.h>

namespace vmstream {
namespace {

constexpr uint32_t kSectionVersion = 3;  // streams made of sections; older ones of counted records

std::string place_of(const SectionHeader& header) {
  return fmt::format("section '{}' (id {})", escape(header.idstr), header.section_id);
}

// Errors of other kinds are the visitor's.
bool is_of_stream(const Error& fault) {
  return fault.code == Errc::Malformed || fault.code == Errc::Truncated ||
         fault.code == Errc::Unsupported;
}

// What a reader that came up short means: wait, or the stream is cut.
Result<Step> short_read(const ByteReader& in, const Window& window) {
  if (in.missing() == 0 || window.last) return in.error();
  return Step{0, window.bytes.size() + in.missing()};
}

size_t consumed_by(const ByteReader& in, const Window& window) {
  return static_cast<size_t>(in.offset() - window.offset);
}

}  // namespace

StreamMachine::StreamMachine(StreamVisitor& visitor, const ParseLimits& limits,
                             const ParseContext& context)
    : visitor_(visitor),
      limits_(limits),
      table_(limits),
      bounds_(visitor, limits, table_, context.vmdesc),
      ram_(visitor, limits),
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
  // A footer that names another section is a place itself.
  uint64_t from = window.offset + (at_ == At::Footer ? 0 : 1);
  lost_ = Lost{step.error(), window.offset, Resync(table_, ram_, limits_, bounds_.footers(), from)};
  return Step{};
}

bool StreamMachine::may_take_up(const Error& fault) const {
  return resume_ && at_ != At::Header && at_ < At::BehindEof && is_of_stream(fault);
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

bool StreamMachine::is_in_body() const {
  return at_ == At::RamBody || at_ == At::MarkedBody || at_ == At::OpaqueBody || at_ == At::Footer;
}

// Everybody hears of it as of a problem, too.
Status StreamMachine::tell_gap(const StreamGap& gap) {
  if (auto seen = visitor_.on_gap(gap); !seen) return seen;
  return visitor_.on_problem(
      {gap.fault.offset.value_or(gap.from),
       fmt::format("{}; {} bytes from {:#x} on are lost, reading goes on at {:#x}",
                   gap.fault.message, gap.to - gap.from, gap.from, gap.to)});
}

Result<Step> StreamMachine::take_up(const Window& window, const Resync::Point& point) {
  auto skipped = static_cast<size_t>(point.offset - window.offset);
  bool own_footer = point.kind == Resync::Point::Kind::Footer && is_in_body() &&
                    section_->section_id == point.section_id;
  bool other_footer = point.kind == Resync::Point::Kind::Footer && !own_footer;
  bool ram_goes_on = point.kind == Resync::Point::Kind::RamRecord && at_ == At::RamBody;
  if (other_footer) skipped += wire::kFooterBytes;
  if (skipped > 0) {
    auto seen = visitor_.on_lost(window.offset, window.bytes.first(skipped));
    if (!seen) return seen.error();
  }
  StreamGap gap{lost_->fault, lost_->from, window.offset + skipped, own_footer || ram_goes_on};
  lost_.reset();
  package_end_.reset();
  bounds_.set_packaged(false);
  ram_.take_up();
  if (auto told = tell_gap(gap); !told) return told.error();
  switch (point.kind) {
    case Resync::Point::Kind::Footer:
      at_ = own_footer ? At::Footer : At::Record;
      body_end_ = point.offset;
      bounded_by_ = BoundedBy::Footer;
      break;
    case Resync::Point::Kind::Record:
      at_ = At::Record;
      break;
    case Resync::Point::Kind::Vmdesc:
      at_ = At::BehindEof;
      eof_offset_ = point.offset - 1;
      stream_end_ = point.offset;
      break;
    case Resync::Point::Kind::RamRecord:
      if (ram_goes_on) break;
      if (auto begun = take_up_ram(point.offset); !begun) return begun.error();
      break;
  }
  return Step{skipped, 0};
}

// In the middle of a slice whose head is lost: shown as a PART that begins here.
Status StreamMachine::take_up_ram(uint64_t offset) {
  section_ = ram_section_;
  section_->type = SectionType::Part;
  section_->offset = section_->body_offset = offset;
  if (auto status = visitor_.on_section(*section_); !status) return status;
  return begin_body();
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
    case At::RamBody:
      return take_ram_body(window);
    case At::MarkedBody:
      return take_marked_body(window);
    case At::OpaqueBody:
      return take_opaque_body(window);
    case At::Footer:
      return take_footer(window);
    case At::BehindEof:
      return take_vmdesc(window);
    case At::Trailing:
      return take_trailing(window);
    case At::LegacyRecord:
      return take_legacy_record(window);
    case At::LegacyBody:
      return take_legacy_body(window);
  }
  return Step{};
}

Result<Step> StreamMachine::take_header(const Window& window) {
  ByteReader in(window.bytes, window.offset);
  StreamHeader header = read_stream_header(in);
  if (!in.ok()) return short_read(in, window);
  if (auto status = visitor_.on_header(header); !status) return status.error();
  at_ = header.version == kSectionVersion ? At::BehindHeader : At::LegacyRecord;
  if (header.record_bytes) {
    if (*header.record_bytes > UINT64_MAX - in.offset()) {
      return malformed(in.last_offset(),
                       fmt::format("stream length {:#x} is not possible", *header.record_bytes));
    }
    legacy_length_ = in.offset() + *header.record_bytes;
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
  Configuration configuration = read_configuration(in, limits_);
  if (!in.ok()) {
    at_ = At::BehindHeader;
    return short_read(in, window);
  }
  ram_.configure(configuration);
  if (auto status = visitor_.on_configuration(configuration); !status) return status.error();
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
  auto section = bind(std::move(header));
  if (!section) return section.error();
  section_ = *section;
  // A section that cannot be read is not told of: it is lost as a whole.
  if (auto status = begin_body(); !status) return status.error();
  if (auto status = visitor_.on_section(*section_); !status) return status.error();
  return Step{consumed_by(in, window), 0};
}

Result<SectionHeader*> StreamMachine::bind(SectionHeader header) {
  if (header.type == SectionType::Start) return table_.open(std::move(header));
  SectionHeader* section = table_.find(header.section_id);
  if (!section) {
    return malformed(header.offset, fmt::format("{} of section id {}, which was not started",
                                                name_of(header.type), header.section_id));
  }
  section->type = header.type;
  section->offset = header.offset;
  section->body_offset = header.body_offset;
  return section;
}

Status StreamMachine::begin_body() {
  const SectionHeader& header = *section_;
  bounded_by_ = BoundedBy::Format;
  payload_left_ = 0;
  first_record_ = true;
  last_record_ = opaque_next_ = false;
  if (header.idstr == "ram") {
    if (auto begun = ram_.begin(header); !begun) return begun;
    ram_section_ = section_;
    at_ = At::RamBody;
    return ok();
  }
  reader_ = find_record_reader(header.idstr);
  at_ = reader_ ? At::MarkedBody : At::OpaqueBody;
  return ok();
}

Result<Step> StreamMachine::take_ram_body(const Window& window) {
  auto step = ram_.step(window);
  // Pages in front of a record that breaks off have been told of: they are not lost as well.
  if (step && window.last && step->consumed > 0) step->wanted = 0;
  if (!step) {
    Error fault = step.error();
    if (is_of_stream(fault)) {
      fault.message = fmt::format("{}: {}", place_of(*section_), fault.message);
    }
    return fault;
  }
  if (step->wanted > 0 && window.last) {
    return Error{Errc::Truncated,
                 fmt::format("{}: a record needs {} bytes, {} left", place_of(*section_),
                             step->wanted, window.bytes.size() - step->consumed),
                 window.offset + step->consumed};
  }
  if (ram_.done()) {
    body_end_ = window.offset + step->consumed;
    at_ = At::Footer;
  }
  return step;
}

Result<Step> StreamMachine::take_marked_body(const Window& window) {
  if (payload_left_ > 0) return take_body_bytes(window, payload_left_);
  if (last_record_) {
    body_end_ = window.offset;
    at_ = At::Footer;
    return Step{};
  }
  if (opaque_next_) {
    at_ = At::OpaqueBody;
    return Step{};
  }
  ByteReader in(window.bytes, window.offset);
  BodyRecord record = reader_(in, section_->type, first_record_);
  if (!in.ok()) return short_read(in, window);
  first_record_ = false;
  last_record_ = record.last;
  opaque_next_ = record.opaque;
  payload_left_ = record.payload_bytes;
  size_t consumed = consumed_by(in, window);
  if (consumed > 0) {
    auto seen = visitor_.on_body(window.offset, window.bytes.first(consumed));
    if (!seen) return seen.error();
  }
  return Step{consumed, 0};
}

Result<Step> StreamMachine::take_body_bytes(const Window& window, uint64_t most) {
  auto count = static_cast<size_t>(std::min<uint64_t>(most, window.bytes.size()));
  if (count == 0) {
    if (!window.last) return Step{0, 1};
    return Error{Errc::Truncated,
                 fmt::format("{}: {} bytes of its data are missing", place_of(*section_), most),
                 window.offset};
  }
  payload_left_ -= count;
  auto seen = visitor_.on_body(window.offset, window.bytes.first(count));
  if (!seen) return seen.error();
  return Step{count, 0};
}

Result<Step> StreamMachine::take_opaque_body(const Window& window) {
  bounded_by_ = BoundedBy::Footer;
  if (!bounds_.footers().value_or(true)) {
    return Error{Errc::Unsupported,
                 fmt::format("{}: its format is not known, and the stream has no footers",
                             place_of(*section_)),
                 window.offset};
  }
  auto found = bounds_.find_footer(section_->section_id, window);
  if (found.body_bytes > 0) {
    auto seen = visitor_.on_body(window.offset, window.bytes.first(found.body_bytes));
    if (!seen) return seen.error();
  }
  if (found.ended) {
    body_end_ = window.offset + found.body_bytes;
    at_ = At::Footer;
    return Step{found.body_bytes, 0};
  }
  if (!window.last) return Step{found.body_bytes, window.bytes.size() - found.body_bytes + 1};
  if (found.body_bytes > 0) return Step{found.body_bytes, 0};  // told of: not lost as well
  return Error{Errc::Truncated, fmt::format("{}: its footer is missing", place_of(*section_)),
               window.end()};
}

// The first section tells whether the stream has footers: no record begins with a footer's type.
Result<Step> StreamMachine::take_footer(const Window& window) {
  auto bytes = window.bytes;
  if (bounds_.footers() == false) return end_section(0, window.offset, false, bounded_by_);
  if (bytes.empty() && !window.last) return Step{0, 1};
  bool present = !bytes.empty() && static_cast<SectionType>(bytes[0]) == SectionType::Footer;
  if (!bounds_.footers().has_value() && !present) {
    bounds_.set_footers(false);
    return Step{};
  }
  ByteReader in(bytes, window.offset);
  auto type = in.be<uint8_t>("footer");
  if (in.ok() && !present) {
    return malformed(window.offset, fmt::format("{}: footer begins with {:#04x}, wanted 0x7e",
                                                place_of(*section_), type));
  }
  auto id = in.be<uint32_t>("section id of the footer");
  if (!in.ok()) return short_read(in, window);
  if (id != section_->section_id) {
    return malformed(in.last_offset(),
                     fmt::format("{}: footer has section id {}", place_of(*section_), id));
  }
  bounds_.set_footers(true);
  return end_section(wire::kFooterBytes, window.offset + wire::kFooterBytes, true, bounded_by_);
}

Result<Step> StreamMachine::end_section(size_t consumed, uint64_t end_offset, bool footer,
                                        BoundedBy by) {
  SectionEnd end{.body_length = body_end_ - section_->body_offset,
                 .end_offset = end_offset,
                 .footer = footer,
                 .bounded_by = by};
  at_ = At::Record;
  if (auto status = visitor_.on_section_end(*section_, end); !status) return status.error();
  return Step{consumed, 0};
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
  eof_offset_ = window.offset;
  stream_end_ = window.offset + 1;
  at_ = At::BehindEof;
  if (auto status = visitor_.on_eof(window.offset); !status) return status.error();
  return Step{1, 0};
}

Result<Step> StreamMachine::take_vmdesc(const Window& window) {
  if (window.bytes.empty()) return Step{0, 1};
  if (static_cast<SectionType>(window.bytes[0]) != SectionType::Vmdescription) {
    at_ = At::Trailing;
    return Step{};
  }
  ByteReader in(window.bytes, window.offset);
  in.be<uint8_t>("record type");
  auto length = in.be<uint32_t>("vmdesc length");
  if (in.ok() && length > limits_.vmdesc_bytes) {
    return Error{
        Errc::Unsupported,
        fmt::format("vmdesc of {} bytes, at most {} are kept", length, limits_.vmdesc_bytes),
        window.offset};
  }
  auto text = in.bytes(length, "vmdesc");
  if (!in.ok()) return short_read(in, window);
  VmdescRecord record{window.offset, {reinterpret_cast<const char*>(text.data()), text.size()}};
  stream_end_ = in.offset();
  at_ = At::Trailing;
  if (auto status = check_description(record); !status) return status.error();
  if (auto status = visitor_.on_vmdesc(record); !status) return status.error();
  return Step{consumed_by(in, window), 0};
}

Status StreamMachine::check_description(const VmdescRecord& record) {
  auto description = Vmdesc::parse(record.json);
  if (!description) {
    return visitor_.on_problem({record.offset, description.error().message});
  }
  if (description->page_size() != ram_.page_size()) {
    auto seen = visitor_.on_problem(
        {record.offset, fmt::format("vmdesc gives target pages of {} bytes, the stream has {}",
                                    description->page_size(), ram_.page_size())});
    if (!seen) return seen;
  }
  return bounds_.check_inferred(*description);
}

Result<Step> StreamMachine::take_trailing(const Window& window) {
  if (window.bytes.empty()) return Step{0, 1};
  if (auto seen = visitor_.on_trailing(window.offset, window.bytes); !seen) return seen.error();
  return Step{window.bytes.size(), 0};
}

// Streams before 0.10: records with a length, up to the end of the file (version 1) or up to the
// length that the header gave (version 2).
Result<Step> StreamMachine::take_legacy_record(const Window& window) {
  bool counted_out = legacy_length_ && window.offset == *legacy_length_;
  legacy_end_ = legacy_length_ ? counted_out : window.bytes.empty();
  if (counted_out) {
    stream_end_ = window.offset;
    at_ = At::Trailing;
    return Step{};
  }
  if (window.bytes.empty() && !window.last) return Step{0, 1};
  if (legacy_end_) {
    stream_end_ = window.offset;
    return Step{0, 1};
  }
  ByteReader in(window.bytes, window.offset);
  uint32_t length = 0;
  SectionHeader header = read_legacy_header(in, length);
  if (!in.ok()) return short_read(in, window);
  legacy_end_ = false;
  if (legacy_length_ && length > *legacy_length_ - in.offset()) {
    return malformed(in.last_offset(),
                     fmt::format("record '{}' has {} bytes, {} are left of the stream",
                                 escape(header.idstr), length, *legacy_length_ - in.offset()));
  }
  legacy_section_ = std::move(header);
  section_ = &legacy_section_;
  payload_left_ = length;
  body_end_ = in.offset() + length;
  at_ = At::LegacyBody;
  if (auto status = visitor_.on_section(*section_); !status) return status.error();
  return Step{consumed_by(in, window), 0};
}

Result<Step> StreamMachine::take_legacy_body(const Window& window) {
  if (payload_left_ > 0) return take_body_bytes(window, payload_left_);
  auto ended = end_section(0, window.offset, false, BoundedBy::Length);
  at_ = At::LegacyRecord;
  return ended;
}

}  // namespace vmstream
