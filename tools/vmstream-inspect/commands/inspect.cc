// SPDX-License-Identifier: MIT
#include "vmstream-inspect/commands/inspect.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>

#include <vmstream/byte_source.h>
#include <vmstream/index_answers.h>
#include <vmstream/record_list.h>
#include <vmstream/state_file.h>
#include <vmstream/stream_ends.h>
#include <vmstream/stream_summary.h>
#include <vmstream/verification.h>
#include "common/output.h"
#include "common/progress.h"
#include "common/terminal.h"
#include "vmstream-inspect/commands/answer.h"
#include "vmstream-inspect/commands/device_answer.h"
#include "vmstream-inspect/commands/explain.h"
#include "vmstream-inspect/commands/extract.h"
#include "vmstream-inspect/commands/hexdump.h"
#include "vmstream-inspect/commands/index.h"
#include "vmstream-inspect/commands/ram.h"
#include "vmstream-inspect/commands/verify.h"
#include "vmstream-inspect/print/printer.h"

namespace vmtools {

using vmstream::StateFile;

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
                                  vmstream::Verifier& verifier, const vmstream::ScanResult& scan) {
  auto summary = collector.finish(scan);
  auto verified = verifier.finish(scan);
  summary.problems = std::move(verified.problems);
  summary.load = std::move(verified.load);
  return summary;
}

// Answers from the two ends of a large stream, where nothing in them is wrong.
bool answered_by_ends(Session& session, const InspectOptions& options, StateFile& file) {
  // A full scan of less is over before anybody notices.
  constexpr uint64_t kWorthSkippingBytes = 64u << 20;
  if (options.full_scan || options.digest) return false;
  vmstream::RandomSource* plain = by_position(file);
  if (!plain) return false;
  auto ends = vmstream::read_stream_ends(*plain);
  if (!ends || ends->skipped_bytes() < kWorthSkippingBytes) return false;
  vmstream::SummaryCollector collector;
  vmstream::Verifier verifier;
  vmstream::scan_ends(*ends, verifier);
  auto scan = vmstream::scan_ends(*ends, collector);
  auto summary = summarise(collector, verifier, scan);
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
  vmstream::Sha256 digest;
  vmstream::SummaryCollector collector;
  vmstream::Verifier verifier;
  auto scan =
      scan_subject(session, options, file, stream, collector, "read", vmstream::MappedPages::Places,
                   options.digest ? &digest : nullptr, &verifier);
  if (scan.fault && !vmstream::is_stream_fault(*scan.fault)) {
    return session.fail(shown_name(options), *scan.fault);
  }
  auto summary = summarise(collector, verifier, scan);
  Subject subject{options.file, file.containers()};
  if (options.digest) subject.sha256 = digest.finish();
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
  printer->end_sections(scan, lister.problems());
  return judge(session, options, scan, lister.problems());
}

}  // namespace

ExitStatus inspect(Session& session, const InspectOptions& options) {
  if (options.question == Question::Device) return answer_device(session, options);
  if (options.question == Question::Vmdesc) return answer_vmdesc(session, options);
  if (options.question == Question::Dump) return answer_dump(session, options);
  if (options.question == Question::Index) return make_index(session, options);
  if (options.question == Question::Verify) return verify(session, options);
  auto file = open_subject(session, options);
  if (!file) return session.fail(shown_name(options), file.error());
  bool short_question = options.question == Question::Info || options.question == Question::Devices;
  if (short_question && answered_by_ends(session, options, *file)) return ExitStatus::Done;
  if (options.question == Question::Sections && answered_by_index(session, options, *file)) {
    return ExitStatus::Done;
  }
  if (options.question == Question::Ram && show_indexed_ram(session, options, *file)) {
    return ExitStatus::Done;
  }
  auto stream = file->stream();
  if (!stream) return session.fail(shown_name(options), stream.error());
  switch (options.question) {
    case Question::Info:
    case Question::Devices:
    case Question::Device:
    case Question::Vmdesc:
    case Question::Dump:
    case Question::Index:
    case Question::Verify:
      break;
    case Question::Sections:
      return answer_with_records(session, options, *file, **stream);
    case Question::Ram:
      return show_ram(session, options, *file, **stream);
    case Question::Extract:
      return extract(session, options, *file, **stream);
    case Question::Hexdump:
      return hexdump(session, options, *file, **stream);
    case Question::Explain:
      return explain(session, options, *file, **stream);
  }
  return answer_with_summary(session, options, *file, **stream);
}

}  // namespace vmtools
