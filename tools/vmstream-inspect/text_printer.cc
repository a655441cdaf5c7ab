// SPDX-License-Identifier: MIT
// Text: what matters first, tables within 80 columns, units written out, names escaped.
#include <fmt/format.h>

#include <vmstream/text.h>
#include "common/output.h"
#include "vmstream-inspect/printer.h"
#include "vmstream-inspect/text_table.h"

namespace vmtools {
namespace {

using vmstream::escape;
using vmstream::format_size;
using vmstream::PageKind;

constexpr std::string_view kBold = "\x1b[1m";
constexpr std::string_view kRed = "\x1b[31m";
constexpr std::string_view kPlain = "\x1b[0m";

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

std::string containers_text(const std::vector<vmstream::Container>& containers) {
  std::string text;
  for (const auto& container : containers) {
    text += fmt::format("{}{}", text.empty() ? "" : " > ", container.type);
  }
  return text;
}

// The middle column of a section list: what a record is beyond its type.
std::string record_note(const vmstream::StreamRecord& record) {
  std::string note;
  if (record.section) note = escape(record.section->idstr);
  if (record.command) note = name_of(*record.command);
  if (record.packaged) note += " (packaged)";
  if (!record.whole) note += " (breaks off)";
  return note;
}

// Fixed widths, as rows are printed before the next is known: 64 GiB of offsets fit.
std::string record_row(std::string_view offset, std::string_view length, std::string_view type,
                       std::string_view id, std::string_view instance, std::string_view version,
                       std::string_view footer, std::string_view note) {
  auto row = fmt::format("{:>11} {:>10} {:<13} {:>3} {:>4} {:>3} {:<6} {}", offset, length, type,
                         id, instance, version, footer, note);
  row.erase(row.find_last_not_of(' ') + 1);
  return row + "\n";
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

  void begin_sections(const Subject&) override {
    print(painted(kBold,
                  record_row("offset", "length", "type", "id", "inst", "ver", "footer", "name")));
  }

  void record(const vmstream::StreamRecord& record) override {
    if (run_count_ > 0 && continues_run(record)) {
      ++run_count_;
      run_.length += record.length;
      return;
    }
    end_run();
    run_ = record;
    run_count_ = 1;
    if (!record.is_empty_part()) end_run();
  }

  void end_sections(const vmstream::ScanResult& scan,
                    const vmstream::ProblemLog& problems) override {
    end_run();
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
  void print_problems(const vmstream::ProblemLog& problems) const;
  void print_ram(const vmstream::StreamSummary& summary) const;
  void print_iterables(const vmstream::StreamSummary& summary) const;
  void print_devices(const vmstream::StreamSummary& summary) const;

  // Of an equal, directly preceding slice without content.
  bool continues_run(const vmstream::StreamRecord& record) const {
    return run_.is_empty_part() && record.is_empty_part() &&
           record.section->section_id == run_.section->section_id &&
           record.body_length == run_.body_length && record.footer == run_.footer;
  }

  void end_run();

  bool color_;
  vmstream::StreamRecord run_;  // the first of the equal records not yet printed
  uint64_t run_count_ = 0;
};

void TextPrinter::print_facts(const Subject& subject,
                              const vmstream::StreamSummary& summary) const {
  fact("file", escape(subject.file));
  fact("containers", containers_text(subject.containers));
  std::string complete = summary.complete ? "yes" : painted(kRed, "NO");
  fact("complete", fmt::format("{}, {}", complete, size_text(summary.stream_bytes)));
  if (summary.trailing_bytes > 0) {
    fact("trailing", size_text(summary.trailing_bytes) + " behind the end of the stream");
  }
  if (subject.sha256) fact("SHA-256", *subject.sha256);
  print_stream_facts(summary);
}

void TextPrinter::print_stream_facts(const vmstream::StreamSummary& summary) const {
  const auto& configuration = summary.configuration;
  fact("machine", configuration ? escape(configuration->machine) : "not said by the stream");
  fact("QEMU", qemu_text(summary.qemu) + ", inferred from");
  for (const std::string& clue : summary.qemu.because()) fact("", "  " + clue);
  if (summary.run_state) fact("run state", escape(*summary.run_state));
  fact("stream",
       fmt::format("version {}, {} footers, {} vmdesc{}",
                   summary.header ? summary.header->version : 0,
                   summary.footers ? "with" : "without", summary.vmdesc ? "with" : "without",
                   summary.postcopy ? ", switched to postcopy" : ""));
  if (summary.target_page_size) fact("page size", format_size(*summary.target_page_size));
  if (!configuration || !configuration->capabilities) return;
  std::string names;
  for (const auto& name : *configuration->capabilities) {
    names += fmt::format("{}{}", names.empty() ? "" : ", ", escape(name));
  }
  fact("capabilities", names);
}

void TextPrinter::print_problems(const vmstream::ProblemLog& problems) const {
  if (problems.empty()) return;
  heading(count_text(problems.total(), "problem"));
  for (const auto& problem : problems.kept()) {
    print(
        fmt::format("  {}: {}\n", painted(kRed, "offset " + hex(problem.offset)), problem.message));
  }
  if (uint64_t more = problems.total() - problems.kept().size(); more > 0) {
    print(fmt::format("  … and {} more\n", more));
  }
}

void TextPrinter::print_ram(const vmstream::StreamSummary& summary) const {
  if (!summary.ram_version) return;
  heading(fmt::format("RAM: {} in {}, {}", size_text(summary.ram_bytes),
                      count_text(summary.blocks.size(), "block"),
                      count_text(summary.pages.total(), "page record")));
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
  if (summary.blocks.empty()) add_row("-", summary.pages, "(blocks without names)");
  print(table.render());
}

void TextPrinter::print_iterables(const vmstream::StreamSummary& summary) const {
  if (summary.iterables.empty()) return;
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

void TextPrinter::end_run() {
  if (run_count_ == 0) return;
  std::string note = record_note(run_);
  if (run_count_ > 1) note += fmt::format(", {} empty parts", run_count_);
  if (run_.section) {
    print(record_row(
        hex(run_.offset), fmt::format("{}", run_.length), name_of(run_),
        fmt::format("{}", run_.section->section_id), fmt::format("{}", run_.section->instance_id),
        fmt::format("{}", run_.section->version_id), run_.footer ? "yes" : "no", note));
  } else {
    print(record_row(hex(run_.offset), fmt::format("{}", run_.length), name_of(run_), "", "", "",
                     "", note));
  }
  run_count_ = 0;
}

}  // namespace

std::unique_ptr<Printer> make_text_printer(bool color) {
  return std::make_unique<TextPrinter>(color);
}

}  // namespace vmtools
