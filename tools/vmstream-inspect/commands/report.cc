// SPDX-License-Identifier: MIT
// report: a page about the guest, for people.
#include <vmstream/report.h>

#include <fmt/format.h>
#include <unistd.h>

#include <chrono>

#include <vmstream/output_file.h>
#include <vmstream/state_file.h>
#include <vmstream/vmstream.h>
#include "common/json_text.h"
#include "common/output.h"
#include "common/terminal.h"
#include "vmstream-inspect/commands/answer.h"
#include "vmstream-inspect/commands/commands.h"
#include "vmstream-inspect/commands/device_reading.h"
#include "vmstream-inspect/commands/saved_guest.h"

namespace vminspect {

using vmstream::Errc;
using vmstream::Error;
using vmstream::OutputFile;
using vmstream::ReportCollector;
using vmstream::Result;
using vmstream::Status;
using vmtools::ExitStatus;
using vmtools::Session;

namespace {

vmstream::ReportSubject describe_subject(const InspectOptions& options,
                                         const vmstream::StateFile& file, std::string sha256) {
  auto now = std::chrono::system_clock::now().time_since_epoch();
  vmstream::ReportSubject subject{
      .file = shown_name(options),
      .sha256 = std::move(sha256),
      .made_by = fmt::format("vmstream-inspect {}", vmstream::version()),
      .made_at =
          vmtools::date_text(std::chrono::duration_cast<std::chrono::seconds>(now).count()) + "Z"};
  for (const auto& container : file.containers()) subject.containers.push_back(container.type);
  return subject;
}

// Null for stdout.
Result<std::unique_ptr<OutputFile>> open_page(Session& session, const InspectOptions& options) {
  if (!options.output) return Error{Errc::Usage, "report wants -o FILE"};
  if (*options.output == "-") {
    if (!vmtools::is_terminal(STDOUT_FILENO) || options.force) return std::unique_ptr<OutputFile>();
    return Error{.code = Errc::Refused,
                 .message = "a page of HTML is not for a terminal",
                 .hint = "give a file with -o FILE; --force shows it"};
  }
  auto overwrite = options.force ? vmstream::Overwrite::Replace : vmstream::Overwrite::Refuse;
  auto apart =
      vmstream::require_other_file(*options.output, vmstream::StateName::parse(options.file).file);
  if (!apart) return apart.error();
  return OutputFile::create(*options.output, overwrite, session.limits());
}

Status write_page(Session& session, const ReportCollector& collector,
                  const vmstream::ReportSubject& subject, OutputFile* file) {
  if (file == nullptr) {
    auto out = vmstream::make_fd_sink(STDOUT_FILENO, session.limits());
    return collector.write_page(subject, *out);
  }
  if (auto written = collector.write_page(subject, *file); !written) return written;
  return file->commit_file();
}

}  // namespace

ExitStatus make_report(Session& session, const InspectOptions& options, vmstream::StateFile& file,
                       vmstream::ByteSource& stream) {
  auto places = read_places(options);
  if (!places) return session.fail(shown_name(options), places.error());
  auto schema = read_schema(session, options);
  if (!schema) return session.fail(*options.schema, schema.error());
  auto page = open_page(session, options);
  if (!page) return session.fail(options.output.value_or(shown_name(options)), page.error());
  ReportCollector collector;
  if (*schema) collector.use_schema(std::move(**schema));
  collector.set_stream_place(vmstream::stream_place(file.containers()));
  vmstream::Sha256 digest;
  auto scan = scan_subject(session, options, file, stream, collector, "read",
                           vmstream::MappedPages::Content, &digest);
  if (scan.fault && !vmstream::is_stream_fault(*scan.fault)) {
    return session.fail(shown_name(options), *scan.fault);
  }
  collector.finish(scan, *places, file.container_problems());
  auto subject = describe_subject(options, file, digest.finish());
  if (auto written = write_page(session, collector, subject, page->get()); !written) {
    return session.fail(*options.output, written.error());
  }
  return judge(session, options, scan, collector.problems());
}

}  // namespace vminspect
