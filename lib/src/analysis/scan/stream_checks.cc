// SPDX-License-Identifier: MIT
#include "analysis/scan/stream_checks.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <utility>

#include "format/layout/virtio_subsections.h"
#include "format/ram/compressed_page.h"
#include "format/ram/target_page.h"
#include "format/ram/xbzrle.h"
#include "format/wire.h"

#include <vmstream/device_state.h>
#include <vmstream/text.h>

namespace vmstream::analysis {
namespace {

// QEMU's table of commands: how long each is, or nothing where that varies.
std::optional<size_t> length_of(CommandType type) {
  switch (type) {
    case CommandType::Ping:
    case CommandType::Packaged:
      return 4;
    case CommandType::PostcopyAdvise:
    case CommandType::PostcopyRamDiscard:
    case CommandType::RecvBitmap:
      return std::nullopt;
    default:
      return 0;
  }
}

bool is_printable(std::string_view name) {
  return std::ranges::all_of(name, [](char c) { return c >= ' ' && c < 0x7f; });
}

bool is_one_letter_off(std::string_view name, std::string_view known) {
  if (name.size() != known.size()) return false;
  size_t differing = 0;
  for (size_t i = 0; i < known.size(); ++i) differing += name[i] != known[i];
  return differing == 1;
}

// The characters of all of them; and not one letter away from a family that nearly every guest is
// of.
bool is_machine_name(std::string_view name) {
  constexpr std::array<std::string_view, 7> kFamilies{
      "isapc", "pc-i440fx-", "pc-q35-", "virt-", "pseries-", "s390-ccw-virtio-", "microvm"};
  bool of_letters = std::ranges::all_of(name, [](unsigned char c) {
    return std::isalnum(c) || c == '-' || c == '.' || c == '_' || c == '+';
  });
  return of_letters && std::ranges::none_of(kFamilies, [&](std::string_view family) {
           return is_one_letter_off(name.substr(0, family.size()), family);
         });
}

// Those that send in parts (the callers of register_savevm_live() and their kind).
bool is_damaged_iterable(std::string_view name) {
  constexpr std::array<std::string_view, 8> kNames{"ram",
                                                   "block",
                                                   "dirty-bitmap",
                                                   "cpu-throttle",
                                                   "spapr/htab",
                                                   "pbs-state",
                                                   "s390-storage_attributes",
                                                   "s390-skeys"};
  return std::ranges::any_of(
      kNames, [&](std::string_view known) { return is_one_letter_off(name, known); });
}

constexpr size_t kLongAdvice = 16;  // page-size summary, target page size
constexpr size_t kMostNames = 1u << 17;
// Of iterable sections, and of all sections of a PC: they are counted from 0, or numbers of ports.
constexpr uint32_t kMostInstances = 0xffff;

}  // namespace

// QEMU reads nothing behind the first EOF.
void StreamChecks::tell(Problem problem) {
  if (eof_offset_ && problem.offset > *eof_offset_) problem.effect = LoadEffect::Ignored;
  if (told_.contains(problem.offset)) return;
  if (told_.size() < ProblemLog::kProblemsKept) told_.insert(problem.offset);
  problems_.add(std::move(problem));
}

void StreamChecks::tell_refused(uint64_t offset, std::string message) {
  tell({.offset = offset, .message = std::move(message)});
}

void StreamChecks::tell_ignored(uint64_t offset, std::string message) {
  tell({.offset = offset, .message = std::move(message), .effect = LoadEffect::Ignored});
}

Status StreamChecks::on_problem(const Problem& problem) {
  Problem seen = problem;
  if (eof_offset_ && seen.offset > *eof_offset_) seen.effect = LoadEffect::Ignored;
  if (told_.size() < ProblemLog::kProblemsKept) told_.insert(seen.offset);
  problems_.add(std::move(seen));
  return ok();
}

// Without a description only the names tell. slirp has no instance ids of its own.
void StreamChecks::check_repeated() {
  for (const auto& [name, count] : devices_) {
    if (count < 2 || name.first == "slirp") continue;
    problems_.add({.offset = eof_offset_.value_or(0),
                   .message = fmt::format("section '{}' instance {} comes {} times",
                                          escape(name.first), name.second, count),
                   .effect = LoadEffect::Ignored});
  }
}

StreamChecks::Findings StreamChecks::finish(const ScanResult& scan) {
  if (!described_once_) check_repeated();
  if (scan.fault) problems_.add(*scan.fault, scan.plain_bytes, effect_of_fault(scan));
  tell_fills();
  LoadVerdict verdict = judge_load(problems_, conditions_);
  return {std::move(problems_), std::move(conditions_), std::move(verdict)};
}

// Once for the stream: a million pages want the same.
void StreamChecks::require(uint64_t offset, std::string message, LoadEffect effect) {
  if (!required_.insert(message).second) return;
  conditions_.add({.offset = offset, .message = std::move(message), .effect = effect});
}

Status StreamChecks::on_header(const StreamHeader& header) {
  if (header.version < 3) {
    require(4,
            fmt::format("the stream has version {}; QEMU 0.12 and later refuse it", header.version),
            LoadEffect::Refused);
  }
  return ok();
}

Status StreamChecks::on_configuration(const Configuration& configuration) {
  is_recent_ = true;
  page_bytes_ = certain_page_bytes(&configuration, "");
  is_pc_ = configuration.machine.starts_with("pc-");
  machine_since_ = version_of_machine(configuration.machine);
  if (machine_since_ && is_older_than(*machine_since_)) {
    require(
        configuration.offset,
        fmt::format("QEMU {} does not know machine type {}, which came with {}",
                    to_string(*loader_), escape(configuration.machine), to_string(*machine_since_)),
        LoadEffect::Refused);
  }
  for (const auto& name : configuration.capabilities.value_or(std::vector<std::string>{})) {
    bool damaged = !is_printable(name) || is_one_letter_off(name, "x-ignore-shared") ||
                   is_one_letter_off(name, "mapped-ram");
    if (damaged) {
      tell_refused(configuration.offset,
                   fmt::format("capability '{}' is none that QEMU has", escape(name)));
    }
  }
  if (!is_machine_name(configuration.machine)) {
    tell_refused(configuration.offset, fmt::format("machine type '{}' is none that QEMU has",
                                                   escape(configuration.machine)));
  }
  bool is_mapped = configuration.capabilities &&
                   std::ranges::count(*configuration.capabilities, "mapped-ram") > 0;
  if (is_mapped && is_older_than({9, 0})) {
    require(configuration.offset,
            fmt::format("QEMU {} does not know mapped-ram, which came with 9.0; vmrestore makes an "
                        "ordinary stream of it",
                        to_string(*loader_)),
            LoadEffect::Refused);
  }
  return ok();
}

Status StreamChecks::on_section(const SectionHeader& header) {
  keeper_.on_section(header);
  bool named = header.type == SectionType::Start || header.type == SectionType::Full;
  if (named) check_name(header);
  if (header.type != SectionType::Full) check_order(header);
  if (header.idstr == "ram" && named && header.version_id == 3) {
    require(
        header.offset,
        "RAM is in the form of version 3, without block names; QEMU 0.13 and later want version 4",
        LoadEffect::Refused);
  }
  if (header.idstr == "block" && is_newer_than({9, 0})) {
    require(header.offset,
            fmt::format("QEMU {} no longer knows the section 'block'", to_string(*loader_)),
            LoadEffect::Refused);
  }
  return ok();
}

Status StreamChecks::on_body(uint64_t, std::span<const std::byte> bytes) {
  keeper_.on_body(bytes);
  return ok();
}

Status StreamChecks::on_section_end(const SectionHeader& header, const SectionEnd& end) {
  keeper_.on_section_end(end);
  if (end.footer && !is_recent_) {
    require(0,
            "the stream has no configuration: a destination that wants one stops (-global "
            "migration.send-configuration=off)",
            LoadEffect::Depends);
  }
  if (header.type == SectionType::Full) check_twice(header);
  return ok();
}

// Nothing else in the stream holds the name of an iterable section against damage.
void StreamChecks::check_name(const SectionHeader& header) {
  if (!is_printable(header.idstr)) {
    tell_refused(header.offset, fmt::format("section name '{}' holds characters that no QEMU uses",
                                            escape(header.idstr)));
  } else if (header.type == SectionType::Start && is_damaged_iterable(header.idstr)) {
    tell_refused(header.offset, fmt::format("section '{}' is sent in parts, but no QEMU has one of "
                                            "that name",
                                            escape(header.idstr)));
  } else if (header.instance_id > kMostInstances && (header.type == SectionType::Start || is_pc_)) {
    tell_refused(header.offset,
                 fmt::format("section '{}' has instance id {:#x}, which no QEMU gives",
                             escape(header.idstr), header.instance_id));
  } else if (header.idstr == "ram" && header.instance_id != 0) {
    tell_refused(header.offset,
                 fmt::format("section 'ram' has instance id {}, wanted 0", header.instance_id));
  }
}

// START, PARTs, END, and the devices behind all of them, but for those that are sent early, in
// front of the first PART, and after a switch to postcopy. QEMU finds a section by its id, and
// minds no order.
void StreamChecks::check_order(const SectionHeader& header) {
  Iterable& iterable = iterables_[header.section_id];
  iterable.idstr = header.idstr;
  if (header.type != SectionType::Start) {
    if (devices_since_part_ && postcopy_steps_ < 2) {
      tell_ignored(header.offset, fmt::format("section '{}' (id {}) goes on behind the devices",
                                              escape(header.idstr), header.section_id));
    }
    any_part_ = true;
  }
  if (iterable.ended) {
    tell_ignored(header.offset, fmt::format("section '{}' (id {}) goes on behind its END",
                                            escape(header.idstr), header.section_id));
  }
  iterable.ended |= header.type == SectionType::End;
}

// QEMU loads a device as often as it comes.
void StreamChecks::check_twice(const SectionHeader& header) {
  bool early = header.idstr.ends_with("-early");
  devices_since_part_ |= !early && (any_part_ || !iterables_.empty());
  if (devices_.size() == kMostNames) return;
  ++devices_[{header.idstr, header.instance_id}];
  if (ids_.insert(header.section_id).second && !iterables_.contains(header.section_id)) return;
  tell_ignored(header.offset,
               fmt::format("section '{}' instance {} has the id {} of another one",
                           escape(header.idstr), header.instance_id, header.section_id));
}

Status StreamChecks::on_ram_blocks(const RamBlockList& list) {
  for (; mapped_seen_ < list.blocks.size(); ++mapped_seen_) {
    const RamBlock& block = list.blocks[mapped_seen_];
    if (!is_printable(block.name)) {
      tell_refused(block.offset, fmt::format("the name of RAM block '{}' holds characters that no "
                                             "QEMU uses",
                                             escape(block.name)));
    }
    if (block.mapped && block.mapped->page_size != 0) check_mapped(block);
  }
  return ok();
}

// QEMU aligns the pages to 1 MiB and believes the rest of what the header says.
void StreamChecks::check_mapped(const RamBlock& block) {
  constexpr uint64_t kAlignment = 1u << 20;
  const MappedRam& mapped = *block.mapped;
  if (mapped.version == 0) {
    tell_ignored(block.offset, fmt::format("mapped-ram block '{}': its header has version 0",
                                           escape(block.name)));
  }
  if (mapped.pages_offset % kAlignment != 0) {
    tell_refused(block.offset,
                 fmt::format("mapped-ram block '{}': pages at {:#x}, wanted a multiple of "
                             "{:#x}",
                             escape(block.name), mapped.pages_offset, kAlignment));
  }
  if (!page_bytes_) page_bytes_ = static_cast<uint32_t>(mapped.page_size);
  if (mapped.page_size != *page_bytes_) {
    tell_ignored(block.offset,
                 fmt::format("mapped-ram block '{}': pages of {} bytes, others have {}",
                             escape(block.name), mapped.page_size, *page_bytes_));
  }
}

Status StreamChecks::on_page(const Page& page) {
  switch (page.kind) {
    case PageKind::Xbzrle:
      check_delta(page);
      break;
    case PageKind::Compressed:
      check_packed(page);
      break;
    case PageKind::Fill:
      check_fill(page);
      break;
    case PageKind::Zero:
    case PageKind::Data:
      break;
  }
  return ok();
}

Status StreamChecks::on_ram_mark(RamMark mark, uint64_t offset) {
  if (mark == RamMark::Hook) {
    require(offset, "RDMA transferred the RAM; it is not in the stream", LoadEffect::Refused);
  } else if (mark == RamMark::MultifdFlush) {
    require(offset,
            "the RAM was sent over several channels (multifd), of which this stream is but one: "
            "without the others it cannot be loaded",
            LoadEffect::Depends);
  }
  return ok();
}

void StreamChecks::check_delta(const Page& page) {
  scratch_.resize(page.size);
  bool fits = page.payload.size() <= page.size;
  if (fits && (page.payload.empty() || apply_xbzrle(page.payload, scratch_))) return;
  tell_refused(page.offset,
               fmt::format("the delta of page {:#x} cannot be applied to a page of {} bytes",
                           page.block_offset, page.size));
}

void StreamChecks::check_packed(const Page& page) {
  if (is_newer_than({9, 0})) {
    require(page.offset, fmt::format("QEMU {} cannot load compressed pages", to_string(*loader_)),
            LoadEffect::Refused);
  }
  scratch_.resize(page.size);
  auto length = inflate_front(page.payload, scratch_);
  if (length == page.size) return;
  tell({.offset = page.offset,
        .message = fmt::format("compressed page {:#x} does not unpack to {} bytes",
                               page.block_offset, page.size),
        .effect = length ? LoadEffect::Ignored : LoadEffect::Refused});
}

// Releases before 1.5 sent pages of one repeated byte so. Since 9.0 a load stops there; in between
// QEMU fills the page with what no sender wrote.
void StreamChecks::check_fill(const Page& page) {
  if (fills_.size() == ProblemLog::kProblemsKept) return;
  fills_.push_back({.offset = page.offset,
                    .message = fmt::format("zero page {:#x} has the value {:#04x}; QEMU 9.0 and "
                                           "later refuse it",
                                           page.block_offset, page.fill)});
}

// Once the whole stream has told which releases can load it at all.
void StreamChecks::tell_fills() {
  auto effect = LoadEffect::Depends;
  if (loader_) effect = is_older_than({9, 0}) ? LoadEffect::Ignored : LoadEffect::Refused;
  if (switched_over_ || machine_since_ > QemuVersion{8, 2}) effect = LoadEffect::Refused;
  for (Problem& fill : fills_) {
    fill.effect = effect;
    if (!is_recent_) {
      return require(fill.offset,
                     "zero pages stand for other values, too; QEMU 9.0 and later refuse them",
                     effect);
    }
    tell(std::move(fill));
  }
}

Status StreamChecks::on_command(const Command& command) {
  auto type = static_cast<unsigned>(command.type);
  if (name_of(command.type) == "unknown" || command.type == CommandType::Invalid) {
    tell_refused(command.offset, fmt::format("command {:#x} is not known", type));
    return ok();
  }
  check_two_ways(command);
  bool of_live_source = command.type == CommandType::EnableColo ||
                        command.type == CommandType::PostcopyResume ||
                        command.type == CommandType::RecvBitmap;
  if (of_live_source) {
    require(
        command.offset,
        fmt::format("the command {} wants a connection to a running source", name_of(command.type)),
        LoadEffect::Refused);
  }
  check_postcopy_order(command);
  switched_over_ |= command.type == CommandType::SwitchoverStart;
  if (command.type == CommandType::SwitchoverStart && is_older_than({10, 0})) {
    require(command.offset,
            fmt::format("QEMU {} does not know the command SWITCHOVER_START, which came with 10.0",
                        to_string(*loader_)),
            LoadEffect::Refused);
  }
  size_t length = command.payload.size();
  auto wanted = length_of(command.type);
  bool odd_advice =
      command.type == CommandType::PostcopyAdvise && length != 0 && length != kLongAdvice;
  if ((!wanted || *wanted == length) && !odd_advice) return ok();
  tell_refused(command.offset,
               fmt::format("command {} has {} bytes, wanted {}", name_of(command.type), length,
                           wanted.value_or(kLongAdvice)));
  return ok();
}

// ADVISE, LISTEN, RUN; each once.
void StreamChecks::check_postcopy_order(const Command& command) {
  constexpr std::array kOrder = {CommandType::PostcopyAdvise, CommandType::PostcopyListen,
                                 CommandType::PostcopyRun};
  auto step = std::ranges::find(kOrder, command.type);
  bool too_early = command.type == CommandType::PostcopyRamDiscard && postcopy_steps_ == 0;
  if (too_early) {
    tell_refused(command.offset, "command POSTCOPY_RAM_DISCARD stands before POSTCOPY_ADVISE");
  }
  if (step == kOrder.end()) return;
  auto number = static_cast<size_t>(step - kOrder.begin());
  if (number != postcopy_steps_) {
    tell_refused(command.offset,
                 fmt::format("command {} is out of order here", name_of(command.type)));
  }
  postcopy_steps_ = number + 1;
}

// A file cannot be answered.
void StreamChecks::check_two_ways(const Command& command) {
  bool asks = command.type == CommandType::OpenReturnPath || command.type == CommandType::Ping ||
              command.type == CommandType::PostcopyRun;
  if (!asks) return;
  has_return_path_ |= command.type == CommandType::OpenReturnPath;
  if (command.type == CommandType::Ping && !has_return_path_) {
    return tell_refused(command.offset, "command PING stands before OPEN_RETURN_PATH");
  }
  require(
      command.offset,
      fmt::format("the command {} wants a connection that goes both ways", name_of(command.type)),
      LoadEffect::Depends);
}

// A background snapshot has no END of its RAM; it is not switched over either.
Status StreamChecks::on_eof(uint64_t offset) {
  if (!eof_offset_) eof_offset_ = offset;
  if (!switched_over_) return ok();
  for (const auto& [id, iterable] : iterables_) {
    if (iterable.ended || iterable.idstr != "ram") continue;
    tell_ignored(offset,
                 fmt::format("section '{}' (id {}) has no END", escape(iterable.idstr), id));
  }
  return ok();
}

Status StreamChecks::on_vmdesc(const VmdescRecord& record) {
  described_once_ = true;
  auto vmdesc = Vmdesc::parse(record.json);
  if (!vmdesc) return on_cut_vmdesc(record);  // the parser has reported it
  if (!is_recent_ && record.json.starts_with("{\"configuration\"")) {
    constexpr uint64_t kItsPlace = 8;
    tell_refused(kItsPlace, "vmdesc describes a configuration, which is not in the stream");
  }
  for (const auto& device : keeper_.devices()) check_device(device, *vmdesc);
  for (const auto& described : vmdesc->devices()) check_described(described, record.offset);
  check_left_over(record.offset);
  return ok();
}

// What is not described may have been, in the part that is lost.
Status StreamChecks::on_cut_vmdesc(const VmdescRecord& record) {
  Vmdesc front = Vmdesc::read_front(record.json);
  for (const auto& device : keeper_.devices()) {
    const auto& header = device.header;
    if (front.find(header.idstr, header.instance_id)) check_device(device, front);
  }
  return ok();
}

// That the lengths agree is the parser's to tell; it has bounded the section by them.
void StreamChecks::check_device(const KeptDevice& device, const Vmdesc& vmdesc) {
  const auto& header = device.header;
  const VmdescDevice* described = vmdesc.find(header.idstr, header.instance_id);
  if (described == nullptr) {
    undescribed_.emplace(header.idstr, header.instance_id);
    tell_refused(header.offset, fmt::format("vmdesc does not describe section '{}' instance {}",
                                            escape(header.idstr), header.instance_id));
    return;
  }
  ++described_;
  if (!described->vmsd_name.empty() && described->version != header.version_id) {
    constexpr uint64_t kVersionBytes = 4;
    std::string words;
    if (header.version_id > described->version) {
      words = fmt::format("; QEMU says \"unsupported version {} for '{}' v{}\"", header.version_id,
                          escape(header.idstr), described->version);
    }
    tell_refused(header.body_offset - kVersionBytes,
                 fmt::format("section '{}' has version {}, vmdesc says {}{}", escape(header.idstr),
                             header.version_id, described->version, words));
  }
  bool agrees = described->body_length() == device.end.body_length;
  if (!device.kept || !agrees) return;
  DeviceState state = decode_device(*described, device.body, header.body_offset);
  check_virtio(header, state);
  for (Problem& problem : state.problems) {
    if (described->hides_elements() && &problem != &state.problems.front()) break;
    problem.message = fmt::format("section '{}' (id {}): {}", escape(header.idstr),
                                  header.section_id, problem.message);
    problem.known_flaw |= described->hides_elements();
    tell(std::move(problem));
  }
}

void StreamChecks::check_virtio(const SectionHeader& header, const DeviceState& state) {
  auto virtio = std::ranges::find(state.fields, "virtio", &DeviceField::type);
  auto damaged = virtio == state.fields.end() ? std::nullopt : find_damaged_subsection(*virtio);
  if (!damaged) return;
  tell(
      {.offset = damaged->offset,
       .message = fmt::format("section '{}' (id {}): the head of subsection '{}' is none that QEMU "
                              "writes",
                              escape(header.idstr), header.section_id, escape(damaged->name)),
       .effect = damaged->stops_a_load() ? LoadEffect::Refused : LoadEffect::Ignored});
}

// A load does without a section that does not come.
void StreamChecks::check_described(const VmdescDevice& described, uint64_t vmdesc_offset) {
  auto found = devices_.find({described.idstr, described.instance_id});
  if (found != devices_.end() && found->second > 0) {
    --found->second;
    return;
  }
  problems_.add({.offset = vmdesc_offset,
                 .message = fmt::format("vmdesc describes '{}' instance {}, which is not in the "
                                        "stream",
                                        escape(described.idstr), described.instance_id),
                 .effect = LoadEffect::Ignored});
}

// Those that are not described at all have been told of.
void StreamChecks::check_left_over(uint64_t vmdesc_offset) {
  for (const auto& [name, count] : devices_) {
    if (count == 0 || undescribed_.contains(name)) continue;
    problems_.add({.offset = vmdesc_offset,
                   .message = fmt::format("'{}' instance {} comes more often than vmdesc describes "
                                          "it",
                                          escape(name.first), name.second),
                   .effect = LoadEffect::Ignored});
  }
}

}  // namespace vmstream::analysis
