// SPDX-License-Identifier: MIT
#include "vmstream-inspect/commands/commands.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>

#include <vmstream/byte_source.h>
#include <vmstream/partial_reading.h>
#include <vmstream/record_list.h>
#include <vmstream/state_file.h>
#include <vmstream/stream_summary.h>
#include <vmstream/verification.h>
#include "common/around_file.h"
#include "common/output.h"
#include "common/progress.h"
#include "common/terminal.h"
#include "vmstream-inspect/commands/answer.h"
#include "vmstream-inspect/print/printer.h"

namespace vminspect {

using vmstream::StateFile;
using vmtools::CommonOptions;
using vmtools::ExitStatus;
using vmtools::is_terminal;
using vmtools::output_status;
using vmtools::Progress;
using vmtools::ProgressMode;
using vmtools::Session;
using vmtools::use_color;

namespace {

std::unique_ptr<Printer> make_printer(const CommonOptions& options) {
  if (options.json) return make_json_printer();
  return make_text_printer(use_color(options.color, STDOUT_FILENO));
}

void print_summary(const InspectOptions& options, const Subject& subject,
                   const vmstream::StreamSummary& summary) {
  auto printer = make_printer(options.common);
  if (options.question == Question::Devices) {
    printer->devices(subject, summary);
  } else {
    printer->info(subject, summary);
  }
}

// How the stream was captured, by an index that is of this very stream.
std::optional<vmstream::CaptureCircumstances> find_circumstances(
    StateFile& file, const vmstream::StreamSummary& summary) {
  const auto* index = file.index();
  if (!index) return std::nullopt;
  auto facts = index->read_facts();
  if (!facts || facts->stream_bytes != summary.stream_bytes) return std::nullopt;
  return facts->capture;
}

// What is wrong, and what QEMU makes of it, is what verify and explain say.
vmstream::StreamSummary summarise(vmstream::SummaryCollector& collector,
                                  vmstream::Verifier& verifier, const vmstream::ScanResult& scan,
                                  const StateFile& file) {
  auto summary = collector.finish(scan);
  auto verified = verifier.finish(scan);
  summary.problems = std::move(verified.problems);
  for (auto& problem : file.container_problems()) summary.problems.add(std::move(problem));
  summary.load = std::move(verified.load);
  return summary;
}

// Answers from the two ends of a large stream, where nothing in them is wrong.
bool answered_by_ends(Session& session, const InspectOptions& options, StateFile& file) {
  // A full scan of less is over before anybody notices, even if nearly all of it are zero pages.
  constexpr uint64_t kWorthSkippingBytes = 16u << 20;
  if (options.full_scan || options.digest) return false;
  vmstream::RandomSource* plain = by_position(file);
  if (!plain || plain->length() < kWorthSkippingBytes) return false;
  auto ends = vmstream::read_stream_ends(*plain);
  if (!ends || ends->skipped_bytes() < kWorthSkippingBytes) return false;
  vmstream::SummaryCollector collector;
  vmstream::Verifier verifier;
  verifier.set_stream_place(vmstream::stream_place(file.containers()));
  vmstream::VisitorList both{&collector, &verifier};
  auto scan = vmstream::scan_ends(*ends, both);
  auto summary = summarise(collector, verifier, scan, file);
  if (!scan.complete() || summary.problems.damage() > 0) return false;
  auto index = read_index(session, options, file, IndexTables::Records);
  summary.ram_read =
      index && vmstream::confirm_records(*index, plain) && vmstream::fill_in(summary, *index);
  Subject subject{options.file, file.containers()};
  subject.source = summary.ram_read ? AnswerSource::Index : AnswerSource::Ends;
  subject.capture = find_circumstances(file, summary);
  print_summary(options, subject, summary);
  return true;
}

ExitStatus answer_with_summary(Session& session, const InspectOptions& options, StateFile& file,
                               vmstream::ByteSource& stream) {
  std::optional<vmstream::Sha256> digest;  // costly to set up
  if (options.digest) digest.emplace();
  vmstream::SummaryCollector collector;
  vmstream::Verifier verifier;
  verifier.set_stream_place(vmstream::stream_place(file.containers()));
  auto scan = scan_subject(session, options, file, stream, collector, "read",
                           vmstream::MappedPages::Places, digest ? &*digest : nullptr, &verifier);
  if (scan.fault && !vmstream::is_stream_fault(*scan.fault)) {
    return session.fail(shown_name(options), *scan.fault);
  }
  auto summary = summarise(collector, verifier, scan, file);
  Subject subject{options.file, file.containers()};
  if (digest) subject.sha256 = digest->finish();
  subject.capture = find_circumstances(file, summary);
  print_summary(options, subject, summary);
  return judge(session, options, scan, summary.problems);
}

// The bar would run through the rows where both go to the same terminal.
bool rows_and_bar_collide(const CommonOptions& options) {
  return options.progress == ProgressMode::Auto && is_terminal(STDOUT_FILENO);
}

bool answered_by_index(Session& session, const InspectOptions& options, StateFile& file) {
  auto index = read_index(session, options, file, IndexTables::Records);
  if (!index || !vmstream::confirm_records(*index, by_position(file))) return false;
  if (!file.container_problems().empty()) return false;
  auto printer = make_printer(options.common);
  Subject subject{options.file, file.containers()};
  subject.source = AnswerSource::Index;
  printer->begin_sections(subject);
  // A reader that went away is noticed when the output is flushed.
  [[maybe_unused]] auto listed =
      vmstream::list_records(*index, [&](const vmstream::StreamRecord& record) {
        printer->record(record);
        return output_status();  // a reader that went away ends the scan
      });
  const auto& facts = index->facts;
  printer->end_sections({.plain_bytes = facts.plain_bytes,
                         .parsed_bytes = facts.stream_bytes,
                         .stream_bytes = facts.stream_bytes},
                        {});
  return true;
}

ExitStatus answer_with_records(Session& session, const InspectOptions& options, StateFile& file,
                               vmstream::ByteSource& stream) {
  Progress progress(session, "read");
  bool silent = rows_and_bar_collide(options.common);
  auto printer = make_printer(options.common);
  printer->begin_sections({options.file, file.containers()});
  vmstream::RecordLister lister([&](const vmstream::StreamRecord& record) {
    printer->record(record);
    return output_status();  // a reader that went away ends the scan
  });
  auto scan = vmstream::scan_stream(stream, lister,
                                    {.on_progress = [&](const vmstream::StreamCounts& counts) {
                                      if (!silent) progress.update(counts);
                                    }});
  if (!silent) progress.enter("done");
  session.messages().erase_bar();
  if (!output_status()) return ExitStatus::Done;  // or what the flush at the end says
  if (auto listed = lister.finish(scan); !listed) {
    return session.fail(shown_name(options), listed.error());
  }
  auto problems = lister.problems();
  for (auto& problem : file.container_problems()) problems.add(std::move(problem));
  printer->end_sections(scan, problems);
  return judge(session, options, scan, problems);
}

// Commands that read the stream from front to end, behind an attempt to do with less.
using StreamAnswer = ExitStatus (*)(Session&, const InspectOptions&, StateFile&,
                                    vmstream::ByteSource&);

using QuickAnswer = bool (*)(Session&, const InspectOptions&, StateFile&);

bool never(Session&, const InspectOptions&, StateFile&) {
  return false;
}

// A text of a container is there, whatever becomes of the stream.
ExitStatus answer_extract(Session& session, const InspectOptions& options) {
  if (is_image(options.part)) return extract_image(session, options);
  auto file = open_subject(session, options);
  if (!file) return session.fail(shown_name(options), file.error());
  auto stream = file->stream();
  if (stream) return extract(session, options, *file, **stream);
  bool has_text = std::ranges::any_of(file->containers(), [](const vmstream::Container& container) {
    return container.libvirt != nullptr;
  });
  bool wants_text = options.part == Part::Xml || options.part == Part::Cookie;
  if (!wants_text || !has_text) return session.fail(shown_name(options), stream.error());
  auto nothing = vmstream::make_memory_source({});
  auto status = extract(session, options, *file, *nothing);
  return status == ExitStatus::Done ? session.fail(shown_name(options), stream.error()) : status;
}

template <StreamAnswer answer, QuickAnswer quick = never>
ExitStatus answer_from_stream(Session& session, const InspectOptions& options) {
  auto file = open_subject(session, options);
  if (!file) return session.fail(shown_name(options), file.error());
  if (quick(session, options, *file)) return ExitStatus::Done;
  auto stream = file->stream();
  if (!stream) return session.fail(shown_name(options), stream.error());
  return answer(session, options, *file, **stream);
}

// Of a disk image the snapshots, where its user has not said which.
ExitStatus answer_info(Session& session, const InspectOptions& options) {
  bool is_whole_file = options.file != "-" && !vmstream::StateName::parse(options.file).snapshot;
  if (is_whole_file) {
    auto file = StateFile::open(options.file, {.decode = {.limits = session.limits()}});
    if (!file) return session.fail(shown_name(options), file.error());
    auto snapshots = file->snapshots();
    if (!snapshots) return session.fail(shown_name(options), snapshots.error());
    if (*snapshots) {
      vmtools::tell_of_image(session, options.file, *file, false);
      make_printer(options.common)->snapshots({options.file, {{.type = "qcow2"}}}, **snapshots);
      const auto& fault = (*snapshots)->fault;
      return fault ? session.fail(shown_name(options), *fault) : ExitStatus::Done;
    }
  }
  return answer_from_stream<answer_with_summary, answered_by_ends>(session, options);
}

struct Command {
  Question question;
  ExitStatus (*answer)(Session&, const InspectOptions&);
};

constexpr std::array kCommands{
    Command{Question::Info, answer_info},
    Command{Question::Sections, answer_from_stream<answer_with_records, answered_by_index>},
    Command{Question::Devices, answer_from_stream<answer_with_summary, answered_by_ends>},
    Command{Question::Device, answer_device},
    Command{Question::Ram, answer_from_stream<show_ram, show_indexed_ram>},
    Command{Question::Hexdump, answer_from_stream<hexdump>},
    Command{Question::Vmdesc, answer_vmdesc},
    Command{Question::Dump, answer_dump},
    Command{Question::Extract, answer_extract},
    Command{Question::Verify, verify},
    Command{Question::Index, make_index},
    Command{Question::MemoryMap, show_memory_map},
    Command{Question::Explain, answer_from_stream<explain>},
    Command{Question::Registers, show_registers},
    Command{Question::Report, answer_from_stream<make_report>},
    Command{Question::Memory, show_memory},
    Command{Question::Translate, translate},
    Command{Question::Gdb, serve_debugger},
    Command{Question::Mount, mount_state},
};

}  // namespace

ExitStatus inspect(Session& session, const InspectOptions& options) {
  const auto* command = std::ranges::find(kCommands, options.question, &Command::question);
  return command->answer(session, options);
}

}  // namespace vminspect
