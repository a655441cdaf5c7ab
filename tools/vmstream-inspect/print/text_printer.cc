// SPDX-License-Identifier: MIT
// Text: what matters first, tables within 80 columns, units written out, names escaped.
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <utility>

#include <vmstream/text.h>
#include "common/around_file.h"
#include "common/json_text.h"
#include "common/output.h"
#include "common/terminal.h"
#include "vmstream-inspect/print/printer.h"
#include "vmstream-inspect/print/text_table.h"

namespace vminspect {

using vmtools::date_text;
using vmtools::disk_text;
using vmtools::domain_text;
using vmtools::encryption_text;
using vmtools::libvirt_text;
using vmtools::overlay_text;
using vmtools::print;
using vmtools::signature_text;
using vmtools::wrap;

namespace {

std::string verdict_text(const vmstream::LoadVerdict& load) {
  if (!load.because) return "loads, if the destination is made for it";
  bool refused = load.verdict == vmstream::Verdict::Refused;
  return fmt::format("{} offset {:#x} (see explain)",
                     refused ? "QEMU refuses it at" : "depends on the destination, by",
                     load.because->offset);
}

using vmstream::escape;
using vmstream::format_size;
using vmstream::PageKind;

constexpr std::string_view kBold = "\x1b[1m";
constexpr std::string_view kRed = "\x1b[31m";
constexpr std::string_view kPlain = "\x1b[0m";

constexpr size_t kFactColumns = 80 - 13;  // behind a name

constexpr std::string_view kByIndex =
    "pages and parts as the file's index counts them (see --full-scan)";

std::string hex(uint64_t offset) {
  return fmt::format("0x{:x}", offset);
}

// "134159 bytes (131 KiB)"
std::string size_text(uint64_t bytes) {
  if (bytes < 1024) return format_size(bytes);
  return fmt::format("{} bytes ({})", bytes, format_size(bytes));
}

std::string count_text(uint64_t count, std::string_view singular) {
  return fmt::format("{} {}{}", count, singular, count == 1 ? "" : "s");
}

std::string or_dash(const std::optional<uint64_t>& value) {
  return value ? fmt::format("{}", *value) : "-";
}

std::string qemu_text(const vmstream::QemuVersionRange& range) {
  const auto& lowest = range.lowest();
  const auto& highest = range.highest();
  if (!lowest && !highest) return "unknown";
  if (!highest) return to_string(*lowest) + " or later";
  if (!lowest) return to_string(*highest) + " or earlier";
  if (*lowest == *highest) return to_string(*lowest);
  if (*lowest > *highest) {
    return fmt::format("unclear: {} or later, but also {} or earlier", to_string(*lowest),
                       to_string(*highest));
  }
  return fmt::format("{} to {}", to_string(*lowest), to_string(*highest));
}

// "2026-11-21T03:55:00Z, mode stop, found running, QEMU 7.2.22, vmstream 0.1.0"
std::string capture_text(const vmstream::CaptureCircumstances& capture) {
  std::string text;
  auto add = [&text](std::string_view what, const std::string& value) {
    if (value.empty()) return;
    text += fmt::format("{}{}{}", text.empty() ? "" : ", ", what, escape(value));
  };
  add("", capture.time);
  add("mode ", capture.mode);
  add("found ", capture.run_state);
  add("QEMU ", capture.qemu_version);
  add("vmstream ", capture.vmstream_version);
  return text;
}

std::string containers_text(const std::vector<vmstream::Container>& containers) {
  std::string text;
  for (const auto& container : containers) {
    text += fmt::format("{}{}", text.empty() ? "" : " > ", container.type);
    if (container.content_offset > 0) text += fmt::format(" {:#x}", container.content_offset);
  }
  return text;
}

// What a record is beyond its type. The records of a package are set in.
std::string record_note(const vmstream::StreamRecord& record) {
  std::string note = record.packaged ? "  " : "";
  if (record.section) note += escape(record.section->idstr);
  if (record.command) note += name_of(*record.command);
  if (!record.whole) note += " (breaks off)";
  return note;
}

// Fixed widths, as rows are printed before the next is known. Up to 64 GiB they do not shift.
constexpr std::string_view kSectionRow = "{:>11} {:>10} {:<6} {:>3} {:>4} {:>3} {:<4}";

std::string section_row(const vmstream::StreamRecord& record, std::string_view note) {
  const vmstream::SectionHeader& section = *record.section;
  auto row = fmt::format(kSectionRow, hex(record.offset), record.length, name_of(record),
                         section.section_id, section.instance_id, section.version_id,
                         record.footer ? "yes" : "no");
  return with_name(std::move(row), " ", note);
}

std::string other_row(const vmstream::StreamRecord& record) {
  std::string note = record_note(record);
  return fmt::format("{:>11} {:>10} {}{}{}\n", hex(record.offset), record.length, name_of(record),
                     note.empty() ? "" : " ", note);
}

// Slices without content, as they come by thousands: of one section, or of several in turn.
class EmptyParts {
 public:
  void add(const vmstream::StreamRecord& record) {
    for (Run& run : runs_) {
      if (run.first.section->section_id != record.section->section_id) continue;
      run.length += record.length;
      ++run.count;
      return;
    }
    runs_.push_back({record, record.length, 1});
  }

  /// One row a section, by the offset of its first slice; forgets them.
  std::string take_rows() {
    std::string rows;
    for (Run& run : runs_) {
      std::string note = record_note(run.first);
      if (run.count > 1) note += fmt::format(", {} empty parts", run.count);
      run.first.length = run.length;
      rows += section_row(run.first, note);
    }
    runs_.clear();
    return rows;
  }

 private:
  struct Run {
    vmstream::StreamRecord first;
    uint64_t length = 0;
    uint64_t count = 0;
  };
  std::vector<Run> runs_;
};

std::string render_pages(const vmstream::StreamSummary& summary) {
  TextTable table({"size", "data", "zero", "other", "RAM block"});
  auto add_row = [&](std::string size, const vmstream::PageCounts& pages, std::string name) {
    uint64_t plain = pages[PageKind::Data] + pages[PageKind::Zero];
    table.add({std::move(size), fmt::format("{}", pages[PageKind::Data]),
               fmt::format("{}", pages[PageKind::Zero]), fmt::format("{}", pages.total() - plain),
               std::move(name)});
  };
  for (const auto& block : summary.blocks) {
    add_row(format_size(block.block.used_length), block.pages, escape(block.block.name));
  }
  if (summary.blocks.empty()) add_row("-", summary.pages, "(all)");
  return table.render();
}

// Only a whole reading of a whole stream tells.
uint64_t absent_pages(const vmstream::StreamSummary& summary) {
  if (!summary.ram_read || !summary.complete) return 0;
  uint64_t absent = 0;
  for (const auto& block : summary.blocks) {
    absent += vmstream::count_absent_pages(block, summary.target_page_size.value_or(0));
  }
  return absent;
}

std::string render_blocks(const vmstream::StreamSummary& summary) {
  TextTable table({"size", "RAM block"});
  for (const auto& block : summary.blocks) {
    table.add({format_size(block.block.used_length), escape(block.block.name)});
  }
  return table.render();
}

std::string render_snapshots(const std::vector<vmstream::ImageSnapshot>& snapshots) {
  TextTable table({"id", "made (UTC)", "has run", "state", "disk", "name"});
  for (const auto& snapshot : snapshots) {
    constexpr uint64_t kSecond = 1'000'000'000;
    std::chrono::seconds has_run(snapshot.clock_nanoseconds / kSecond);
    table.add({escape(snapshot.id), snapshot.date == 0 ? "-" : date_text(snapshot.date, ' '),
               vmstream::format_duration(has_run),
               snapshot.holds_state() ? format_size(snapshot.state_bytes) : "none",
               snapshot.disk_bytes ? format_size(*snapshot.disk_bytes) : "-",
               escape(snapshot.name)});
  }
  return table.render();
}

class TextPrinter final : public Printer {
 public:
  explicit TextPrinter(bool color) : color_(color) {}

  void info(const Subject& subject, const vmstream::StreamSummary& summary) override {
    print_facts(subject, summary);
    print_problems(summary.problems);
    print_ram(summary);
    print_iterables(summary);
    print_devices(summary);
  }

  void devices(const Subject&, const vmstream::StreamSummary& summary) override {
    print_problems(summary.problems);
    print_devices(summary);
  }

  void snapshots(const Subject& subject, const vmstream::ImageSnapshots& snapshots) override {
    fact("file", escape(subject.file));
    fact("containers", containers_text(subject.containers));
    auto holding = std::ranges::count_if(snapshots.list, &vmstream::ImageSnapshot::holds_state);
    heading(
        fmt::format("Snapshots: {}, {} with the state of a guest", snapshots.list.size(), holding));
    if (!snapshots.list.empty()) print(render_snapshots(snapshots.list));
    if (holding > 0) print("read one as FILE#NAME or FILE#ID\n");
  }

  void begin_sections(const Subject& subject) override {
    if (subject.source == AnswerSource::Index) print("by the file's index (see --full-scan)\n");
    auto titles = fmt::format(kSectionRow, "offset", "length", "type", "id", "inst", "ver", "foot");
    print(painted(kBold, titles + " name\n"));
  }

  void record(const vmstream::StreamRecord& record) override {
    if (record.is_empty_part()) {
      empty_parts_.add(record);
      return;
    }
    print(empty_parts_.take_rows());
    print(record.section ? section_row(record, record_note(record)) : other_row(record));
  }

  void end_sections(const vmstream::ScanResult& scan,
                    const vmstream::ProblemLog& problems) override {
    print(empty_parts_.take_rows());
    std::string trailing;
    if (scan.plain_bytes > scan.stream_bytes) {
      trailing = fmt::format(", {} behind it", size_text(scan.plain_bytes - scan.stream_bytes));
    }
    print(fmt::format("{} stream, {}{}\n", scan.complete() ? "complete" : "INCOMPLETE",
                      size_text(scan.stream_bytes), trailing));
    print_problems(problems);
  }

 private:
  std::string painted(std::string_view color, std::string_view text) const {
    return color_ ? fmt::format("{}{}{}", color, text, kPlain) : std::string(text);
  }

  void heading(std::string_view text) const { print("\n" + painted(kBold, text) + "\n"); }

  void fact(std::string_view name, std::string_view value) const {
    print(fmt::format("{} {}\n", painted(kBold, fmt::format("{:<12}", name)), value));
  }

  void print_facts(const Subject& subject, const vmstream::StreamSummary& summary) const;
  void print_stream_facts(const vmstream::StreamSummary& summary) const;
  // In as many lines as it takes.
  void long_fact(std::string_view name, std::string_view value) const {
    for (std::string_view line : wrap(value, kFactColumns)) {
      fact(std::exchange(name, ""), line);
    }
  }

  void print_start(const vmstream::StartArguments& start) const;
  void print_clocks(const vmstream::GuestClocks& clocks) const;
  void print_openpgp(const vmstream::OpenPgpFacts& facts) const;
  void print_disks(const vmstream::CaptureCircumstances& capture, const std::string& file) const;
  void print_problems(const vmstream::ProblemLog& problems) const;
  void print_ram(const vmstream::StreamSummary& summary) const;
  void print_iterables(const vmstream::StreamSummary& summary) const;
  void print_devices(const vmstream::StreamSummary& summary) const;

  bool color_;
  EmptyParts empty_parts_;  // not yet printed
};

void TextPrinter::print_openpgp(const vmstream::OpenPgpFacts& facts) const {
  fact("OpenPGP", encryption_text(facts));
  if (facts.signatures.empty()) fact("signature", "none");
  for (const auto& signature : facts.signatures) {
    bool is_good = signature.status == vmstream::SignatureStatus::Good;
    std::string text = signature_text(signature);
    fact("signature", is_good ? text : painted(kRed, text));
  }
}

void TextPrinter::print_facts(const Subject& subject,
                              const vmstream::StreamSummary& summary) const {
  fact("file", escape(subject.file));
  fact("containers", containers_text(subject.containers));
  for (const auto& container : subject.containers) {
    if (container.openpgp) print_openpgp(*container.openpgp);
    if (container.snapshot) fact("snapshot", vmtools::snapshot_text(*container.snapshot));
    if (container.libvirt) {
      fact("domain", domain_text(*container.libvirt));
      fact("libvirt", libvirt_text(*container.libvirt));
    }
    if (!container.member.empty()) fact("member", escape(container.member) + " of the archive");
  }
  std::string complete = summary.complete ? "yes" : painted(kRed, "NO");
  fact("complete", fmt::format("{}, {}{}", complete, size_text(summary.stream_bytes),
                               summary.ram_read ? "" : "; RAM not read (see --full-scan)"));
  if (subject.source == AnswerSource::Index) fact("", kByIndex);
  fact("verdict", verdict_text(summary.load));
  if (summary.end_is_inferred()) {
    fact("", "without footers and vmdesc a cut file may look like this too");
  }
  if (summary.trailing_bytes > 0) {
    fact("trailing", size_text(summary.trailing_bytes) + " behind the end of the stream");
  }
  if (subject.sha256) fact("SHA-256", *subject.sha256);
  if (subject.capture && !subject.capture->mode.empty()) {
    fact("captured", capture_text(*subject.capture) + "; by the index");
    const std::string& command_line = subject.capture->command_line;
    if (!command_line.empty()) long_fact("started as", escape(command_line));
    print_disks(*subject.capture, subject.file);
  }
  print_stream_facts(summary);
}

void TextPrinter::print_disks(const vmstream::CaptureCircumstances& capture,
                              const std::string& file) const {
  for (const auto& disk : capture.disks) {
    fact("disk", disk_text(disk));
    fact("", "  " + overlay_text(disk));
  }
  if (capture.disks.empty()) return;
  fact("to go back", escape(vmstream::command_to_go_back(capture.disks, file)));
}

void TextPrinter::print_stream_facts(const vmstream::StreamSummary& summary) const {
  const auto& configuration = summary.configuration;
  fact("machine", configuration ? escape(configuration->machine) : "not said by the stream");
  auto clues = summary.qemu.because();
  fact("QEMU", qemu_text(summary.qemu) + (clues.empty() ? "" : ", inferred from"));
  for (const std::string& clue : clues) fact("", "  " + clue);
  if (summary.run_state) fact("run state", escape(*summary.run_state));
  fact("stream",
       fmt::format("version {}, {} footers, {} vmdesc{}",
                   summary.header ? summary.header->version : 0,
                   summary.footers ? "with" : "without", summary.vmdesc ? "with" : "without",
                   summary.postcopy ? ", switched to postcopy" : ""));
  print_start(summary.start);
  print_clocks(summary.clocks);
  if (summary.target_page_size)
    fact("page size", fmt::format("{} bytes", *summary.target_page_size));
  if (!configuration || !configuration->capabilities) return;
  std::string names;
  for (const auto& name : *configuration->capabilities) {
    names += fmt::format("{}{}", names.empty() ? "" : ", ", escape(name));
  }
  long_fact("capabilities", names);
}

void TextPrinter::print_start(const vmstream::StartArguments& start) const {
  std::vector<std::string> lines;
  auto add = [&lines](const std::string& arguments) {
    if (arguments.empty()) return;
    bool fits = !lines.empty() && lines.back().size() + 1 + arguments.size() <= kFactColumns;
    if (fits) {
      lines.back().append(" ").append(arguments);
    } else {
      for (std::string_view line : wrap(arguments, kFactColumns)) lines.emplace_back(line);
    }
  };
  add(escape(start.text()));
  std::string untold;
  for (const auto& device : start.devices) {
    add(escape(device.argument));
    if (!device.argument.empty()) continue;
    untold += fmt::format("{}{}", untold.empty() ? "and what makes " : ", ", escape(device.idstr));
  }
  std::string_view name = "start with";
  for (const std::string& line : lines) fact(std::exchange(name, ""), line);
  if (!untold.empty()) long_fact("", untold);
}

void TextPrinter::print_clocks(const vmstream::GuestClocks& clocks) const {
  auto seconds_of = [](uint64_t nanoseconds) {
    return static_cast<int64_t>(nanoseconds / 1'000'000'000);
  };
  if (clocks.saved_seconds) {
    fact("saved", date_text(*clocks.saved_seconds, ' ') + " UTC by the source's clock");
  }
  if (clocks.rtc_seconds) {
    fact("guest clock", date_text(*clocks.rtc_seconds, ' ') + " in its RTC");
  }
  if (clocks.kvmclock_ns && clocks.rtc_seconds) {
    int64_t begin = *clocks.rtc_seconds - seconds_of(*clocks.kvmclock_ns);
    fact("", fmt::format("counted by kvmclock since {}", date_text(begin, ' ')));
  }
  if (clocks.run_ns) {
    auto ran = std::chrono::seconds(seconds_of(*clocks.run_ns));
    fact("has run", vmstream::format_duration(ran));
  }
}

void TextPrinter::print_problems(const vmstream::ProblemLog& problems) const {
  if (problems.empty()) return;
  heading(count_text(problems.total(), "problem"));
  for (const auto& problem : problems.kept()) {
    std::string place = "offset " + hex(problem.offset);
    print(fmt::format("  {}: {}\n", problem.known_flaw ? place : painted(kRed, place),
                      problem.message));
    if (problem.known_flaw) print("    (QEMU is known to write this; nothing is damaged)\n");
  }
  if (uint64_t more = problems.total() - problems.kept().size(); more > 0) {
    print(fmt::format("  … and {} more\n", more));
  }
}

void TextPrinter::print_ram(const vmstream::StreamSummary& summary) const {
  if (!summary.ram_version) {
    heading(summary.complete ? "RAM: none in this file, which is no whole guest"
                             : "RAM: none found");
    return;
  }
  std::string blocks = summary.blocks.empty() ? "without block names"
                                              : "in " + count_text(summary.blocks.size(), "block");
  std::string records =
      summary.ram_read ? ", " + count_text(summary.pages.total(), "page record") : "";
  heading(fmt::format("RAM: {} {}{}", size_text(summary.ram_bytes), blocks, records));
  print(summary.ram_read ? render_pages(summary) : render_blocks(summary));
  if (uint64_t absent = absent_pages(summary); absent > 0) {
    print(fmt::format("  {} not in the stream (see explain)\n",
                      count_text(absent, "page") + (absent == 1 ? " is" : " are")));
  }
}

void TextPrinter::print_iterables(const vmstream::StreamSummary& summary) const {
  if (summary.iterables.empty() || !summary.ram_read) return;
  heading("Sections in parts: " + fmt::format("{}", summary.iterables.size()));
  TextTable table({"parts", "bytes", "ver", "inst", "id", "section"});
  for (const auto& iterable : summary.iterables) {
    table.add({fmt::format("{}", iterable.sections), fmt::format("{}", iterable.bytes),
               fmt::format("{}", iterable.start.version_id),
               fmt::format("{}", iterable.start.instance_id),
               fmt::format("{}", iterable.start.section_id),
               escape(iterable.start.idstr) + (iterable.ended ? "" : " (no end)")});
  }
  print(table.render());
}

void TextPrinter::print_devices(const vmstream::StreamSummary& summary) const {
  heading(fmt::format("Devices: {}", summary.devices.size()));
  if (summary.devices.empty()) return;
  TextTable table({"offset", "length", "fields", "subs", "ver", "inst", "id", "device"});
  for (const auto& device : summary.devices) {
    table.add({hex(device.header.offset), fmt::format("{}", device.length), or_dash(device.fields),
               or_dash(device.subsections), fmt::format("{}", device.header.version_id),
               fmt::format("{}", device.header.instance_id),
               fmt::format("{}", device.header.section_id), escape(device.header.idstr)});
  }
  print(table.render());
}

}  // namespace

std::unique_ptr<Printer> make_text_printer(bool color) {
  return std::make_unique<TextPrinter>(color);
}

}  // namespace vminspect
