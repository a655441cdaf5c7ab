// SPDX-License-Identifier: MIT
#include "analysis/scan/stream_checks.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "analysis/scan/known_names.h"
#include "base/damaged_name.h"
#include "base/zero.h"
#include "format/wire.h"

#include <vmstream/text.h>

namespace vmstream {
namespace {

// Of iterable sections, and of all sections of a PC: they are counted from 0, or numbers of ports.
constexpr uint32_t kMostInstances = 0xffff;
constexpr size_t kMostIds = 1u << 17;

// How these releases write a section is known. A later one may write it otherwise, but hardly for a
// machine type that they have as well.
bool is_known_release(const std::optional<QemuVersion>& machine_since) {
  return machine_since && *machine_since <= QemuVersion{11, 0};
}

}  // namespace

StreamChecks::Findings StreamChecks::finish(const ScanResult& scan) {
  description_.finish();
  bool is_old = !has_configuration_ && !commands_.has_switched_over() && known_.is_old_pc();
  check_release(is_old);
  known_.finish(description_.has_description(), is_old || is_known_release(machine_since_));
  ram_.finish(commands_.has_switched_over() || machine_since_ > QemuVersion{8, 2}, is_old);
  if (scan.complete() && !scan.ends_only) {
    ram_.check_memory();
    if (!commands_.is_in_postcopy() && !commands_.has_switched_over()) ram_.check_end();
  }
  if (scan.fault) {
    log_.problems.add(*scan.fault, scan.plain_bytes, effect_of_fault(scan),
                      scan.fault_in_description);
  }
  LoadVerdict verdict = judge_load(log_.problems, log_.conditions);
  return {std::move(log_.problems), std::move(log_.conditions), std::move(verdict)};
}

// Configurations and footers came with 2.4, of which QEMU 9.1 has kept the machine types.
void StreamChecks::check_release(bool is_old) {
  if (!is_old || !log_.loads_after({9, 0})) return;
  log_.require(
      0,
      fmt::format("the stream is of a machine type before 2.4, which QEMU {} no longer has",
                  to_string(*log_.loader())),
      LoadEffect::Refused);
}

Status StreamChecks::on_problem(const Problem& problem) {
  if (!problem.undescribed) log_.add(problem);  // else the description's checks tell of it
  return ok();
}

Status StreamChecks::on_header(const StreamHeader& header) {
  if (header.version < 3) {
    log_.require_before(
        {0, 12}, 4,
        fmt::format("the stream has version {}; QEMU 0.12 and later refuse it", header.version));
  }
  return ok();
}

Status StreamChecks::on_configuration(const Configuration& configuration) {
  has_configuration_ = true;
  is_pc_ = configuration.machine.starts_with("pc-");
  ram_.on_configuration(configuration);
  check_machine(configuration);
  check_capabilities(configuration);
  return ok();
}

void StreamChecks::check_machine(const Configuration& configuration) {
  const std::string& machine = configuration.machine;
  machine_since_ = version_of_machine(machine);
  is_unversioned_ = machine == "microvm";
  if (machine_since_ && log_.loads_before(*machine_since_)) {
    log_.require(
        configuration.offset,
        fmt::format("QEMU {} does not know machine type {}, which came with {}",
                    to_string(*log_.loader()), escape(machine), to_string(*machine_since_)),
        LoadEffect::Refused);
  }
  if (is_damaged_machine(machine) || (machine_since_ && is_of_no_release(*machine_since_))) {
    log_.tell(configuration.offset,
              fmt::format("machine type '{}' is none that QEMU has", escape(machine)));
  }
}

void StreamChecks::check_capabilities(const Configuration& configuration) {
  if (!configuration.capabilities) return;
  for (const std::string& name : *configuration.capabilities) {
    if (is_damaged_capability(name)) {
      log_.tell(configuration.offset,
                fmt::format("capability '{}' is none that QEMU has", escape(name)));
    }
    if (log_.loader() && *log_.loader() <= QemuVersion{11, 0} && !is_known_capability(name)) {
      log_.require(configuration.offset,
                   fmt::format("QEMU {} does not know the capability '{}'",
                               to_string(*log_.loader()), escape(name)),
                   LoadEffect::Refused);
    }
    if (name == "mapped-ram" && log_.loads_before({9, 0})) {
      log_.require(configuration.offset,
                   fmt::format("QEMU {} does not know mapped-ram, which came with 9.0; vmrestore "
                               "makes an ordinary stream of it",
                               to_string(*log_.loader())),
                   LoadEffect::Refused);
    }
  }
}

Status StreamChecks::on_section(const SectionHeader& header) {
  sections_have_come_ = true;
  keeper_.on_section(header);
  ram_.on_section(header);
  bool named = header.type == SectionType::Start || header.type == SectionType::Full;
  if (named) check_name(header);
  if (header.type == SectionType::Start) check_version(header);
  if (named) check_slirp(header);
  if (named) check_age(header);
  if (header.type != SectionType::Full) check_order(header);
  return ok();
}

// Nothing else in the stream holds the name of an iterable section against damage.
void StreamChecks::check_name(const SectionHeader& header) {
  bool is_iterable = header.type == SectionType::Start;
  std::string name = escape(header.idstr);
  if (!is_printable(header.idstr)) {
    log_.tell(header.offset,
              fmt::format("section name '{}' holds characters that no QEMU uses", name));
  } else if (is_iterable && is_damaged_iterable(header.idstr)) {
    log_.tell(header.offset,
              fmt::format("section '{}' is sent in parts, but no QEMU has one of that name", name));
  } else if (header.instance_id > kMostInstances && (is_iterable || is_pc_)) {
    log_.tell(header.offset, fmt::format("section '{}' has instance id {:#x}, which no QEMU gives",
                                         name, header.instance_id));
  } else if (header.idstr == "ram" && header.instance_id != 0) {
    log_.tell(header.offset,
              fmt::format("section 'ram' has instance id {}, wanted 0", header.instance_id));
  }
}

// Those that are sent in parts are in no description. QEMU takes a version that is too low.
void StreamChecks::check_version(const SectionHeader& header) {
  constexpr uint32_t kVersion = 1;
  bool is_known = header.idstr == "block" ||
                  (header.idstr == "dirty-bitmap" && is_known_release(machine_since_));
  if (!is_known || header.version_id == kVersion) return;
  log_.tell(header.offset,
            fmt::format("section '{}' has version {}, wanted {}", header.idstr, header.version_id,
                        kVersion),
            header.version_id > kVersion ? LoadEffect::Refused : LoadEffect::Ignored);
}

// No description has its version, which is libslirp's and goes its own way.
void StreamChecks::check_slirp(const SectionHeader& header) {
  constexpr uint32_t kSpareVersion = 16;  // 4 is the highest seen
  bool is_usual = header.version_id > 0 && header.version_id <= kSpareVersion;
  if (header.idstr != "slirp" || is_usual) return;
  log_.tell(header.body_offset - wire::kSectionVersionBytes,
            fmt::format("section 'slirp' (id {}) has version {}, which no libslirp has",
                        header.section_id, header.version_id));
}

// Sections that newer releases no longer take.
void StreamChecks::check_age(const SectionHeader& header) {
  if (header.idstr == "ram" && header.version_id == 3) {
    log_.require_before({0, 13}, header.offset,
                        "RAM is in the form of version 3, without block names; QEMU 0.13 and later "
                        "want version 4");
  }
  if (header.idstr == "block" && log_.loads_after({9, 0})) {
    log_.require(
        header.offset,
        fmt::format("QEMU {} no longer knows the section 'block'", to_string(*log_.loader())),
        LoadEffect::Refused);
  }
}

// START, PARTs, END; then the devices, but for early ones, and but for postcopy. QEMU finds a
// section by its id, and minds no order.
void StreamChecks::check_order(const SectionHeader& header) {
  Iterable& iterable = iterables_[header.section_id];
  iterable.idstr = header.idstr;
  if (header.type != SectionType::Start && devices_have_come_ && !commands_.is_in_postcopy()) {
    log_.tell(header.offset,
              fmt::format("section '{}' (id {}) goes on behind the devices", escape(header.idstr),
                          header.section_id),
              LoadEffect::Ignored);
  }
  if (iterable.ended) {
    log_.tell(header.offset,
              fmt::format("section '{}' (id {}) goes on behind its END", escape(header.idstr),
                          header.section_id),
              LoadEffect::Ignored);
  }
  iterable.ended |= header.type == SectionType::End;
}

Status StreamChecks::on_body(uint64_t, std::span<const std::byte> bytes) {
  keeper_.on_body(bytes);
  return ok();
}

// A configuration came with QEMU 2.4, as footers did.
Status StreamChecks::on_section_end(const SectionHeader& header, const SectionEnd& end) {
  keeper_.on_section_end(end);
  if (end.footer && !has_configuration_) {
    log_.require(0,
                 "the stream has no configuration: a destination that wants one stops (-global "
                 "migration.send-configuration=off)",
                 LoadEffect::Depends);
  }
  if (header.type != SectionType::Full) return ok();
  devices_have_come_ |= !iterables_.empty() && !header.idstr.ends_with("-early");
  description_.count(header);
  check_id(header);
  return ok();
}

void StreamChecks::check_id(const SectionHeader& header) {
  if (ids_.size() == kMostIds) return;
  if (ids_.insert(header.section_id).second && !iterables_.contains(header.section_id)) return;
  log_.tell(header.offset,
            fmt::format("section '{}' instance {} has the id {} of another one",
                        escape(header.idstr), header.instance_id, header.section_id),
            LoadEffect::Ignored);
}

Status StreamChecks::on_ram_blocks(const RamBlockList& list) {
  auto is_of_pc = [](const RamBlock& block) {
    return block.name == "pc.bios" || block.name == "pc.rom";
  };
  if (std::ranges::any_of(list_.new_entries(list), is_of_pc)) known_.take_for_pc();
  ram_.on_ram_blocks(list);
  return ok();
}

Status StreamChecks::on_page(const Page& page) {
  ram_.on_page(page);
  return ok();
}

Status StreamChecks::on_ram_mark(RamMark mark, uint64_t offset) {
  ram_.on_ram_mark(mark, offset);
  return ok();
}

Status StreamChecks::on_command(const Command& command) {
  commands_.check(command);
  return ok();
}

// A background snapshot has no END of its RAM; it is not switched over either.
Status StreamChecks::on_eof(uint64_t offset) {
  log_.end_at(offset);
  if (!commands_.has_switched_over()) return ok();
  for (const auto& [id, iterable] : iterables_) {
    if (iterable.ended || iterable.idstr != "ram") continue;
    log_.tell(offset, fmt::format("section '{}' (id {}) has no END", escape(iterable.idstr), id),
              LoadEffect::Ignored);
  }
  return ok();
}

// Each machine has sections.
Status StreamChecks::on_trailing(uint64_t, std::span<const std::byte> bytes) {
  if (!sections_have_come_ && log_.eof_offset() && !is_zero(bytes)) {
    log_.tell(*log_.eof_offset(), "the end mark stands here, in front of all sections",
              LoadEffect::Ignored);
  }
  return ok();
}

// The description of QEMU 8.2 and later begins with the configuration, where there is one.
Status StreamChecks::on_vmdesc(const VmdescRecord& record) {
  if (!has_configuration_ && record.json.starts_with("{\"configuration\"")) {
    constexpr uint64_t kItsPlace = 8;
    log_.tell(kItsPlace, "vmdesc describes a configuration, which is not in the stream");
  }
  description_.on_vmdesc(record);
  check_unversioned(record);
  return ok();
}

// Nobody keeps such a machine as it was for the streams of other releases.
void StreamChecks::check_unversioned(const VmdescRecord& record) {
  constexpr QemuVersion kDescribesConfiguration{8, 2};
  if (!is_unversioned_ || !log_.loader()) return;
  bool is_saved_before = !record.json.starts_with("{\"configuration\"");
  if (is_saved_before == log_.loads_before(kDescribesConfiguration)) return;
  log_.require(0,
               fmt::format("the machine is another one in each release, and the stream is not of "
                           "QEMU {}",
                           to_string(*log_.loader())),
               LoadEffect::Depends);
}

Status StreamChecks::on_cut_vmdesc(const VmdescRecord& record) {
  description_.on_cut_vmdesc(record);
  return ok();
}

}  // namespace vmstream
