// SPDX-License-Identifier: MIT
#include "vmdump/dump.h"

#include <fmt/format.h>
#include <unistd.h>

#include <new>
#include <nlohmann/json.hpp>

#include <vmstream/state_file.h>
#include <vmstream/verification.h>
#include "common/around_file.h"
#include "common/output.h"
#include "vmdump/compaction.h"
#include "vmdump/destination.h"
#include "vmdump/save_observer.h"
#include "vmdump/summary.h"

namespace vmdump {
namespace {

using vmstream::CaptureOptions;
using vmstream::CaptureSummary;
using vmstream::Errc;
using vmstream::Error;
using vmstream::GuestCapture;
using vmstream::GuestFate;
using vmstream::StateWriter;
using vmstream::Status;
using vmtools::ExitStatus;
using vmtools::Session;

// The one that may be a guest's disk.
std::optional<std::string> named_output(const Options& options) {
  return options.output == "-" ? std::nullopt : options.output;
}

CaptureOptions capture_options(const Options& options, Session& session) {
  return {.mode = options.mode,
          .after = options.after,
          .max_bandwidth = options.max_bandwidth,
          .rules = convergence_rules(options),
          .downtime_limit = options.downtime_limit,
          .auto_converge = options.auto_converge,
          .disk_folder = options.disk_folder,
          .mapped_ram = options.mapped_ram
                            ? std::optional(vmstream::MappedRamOptions{options.direct_io})
                            : std::nullopt,
          .output = named_output(options),
          .digest = options.common.json || options.verify,
          .threads = options.common.threads,
          .limits = session.limits(options.timeout)};
}

CaptureOptions watched_options(const Options& options, Session& session,
                               const SaveObserver& observer) {
  auto capture = capture_options(options, session);
  capture.limits.meanwhile = observer.meanwhile();
  return capture;
}

// The file's index, or the one beside a mapped-ram file, is what the capture gathers. `writer` is
// borrowed.
void take_index(const Options& options, StateWriter& writer, CaptureOptions& capture) {
  bool beside = options.mapped_ram && !options.no_index;
  if (!beside && !writer.wants_index()) return;
  capture.index = [&writer](vmstream::StateIndex index) { writer.set_index(std::move(index)); };
}

// What a live save may still cost where the file must stay below a size: nothing of the rest may
// compress, and blocks may be on their way through the encoder.
constexpr uint64_t kUnderWay = 16u << 20;

// A compact file does not grow with the passes. `writer` is borrowed.
void keep_to_size(const Options& options, const StateWriter& writer, CaptureOptions& capture) {
  if (!options.max_size || options.compact || options.over_size == OverSize::Fail) return;
  capture.must_end = [&writer, most = *options.max_size](uint64_t bytes_left) {
    return writer.bytes_written() + bytes_left + kUnderWay > most;
  };
}

ExitStatus explain(const Options& options, Session& session) {
  auto address = vmstream::QmpAddress::parse(*options.qmp);
  if (!address) return session.fail("--qmp", address.error());
  vmtools::print(vmstream::explain_capture(*address, capture_options(options, session),
                                           output_recipe(options)));
  if (options.then) {
    vmtools::print(fmt::format("# when all of it has succeeded:\n{}\n", *options.then));
  }
  return ExitStatus::Done;
}

// When all of it is written.
FileFacts facts_of(const Options& options, StateWriter& writer, const CaptureSummary& summary) {
  std::string sha256 = is_plain(options) ? summary.sha256 : writer.sha256();
  if (!options.mapped_ram) return {writer.bytes_written(), writer.bytes_written(), sha256};
  return {summary.counts.stream_bytes, writer.file()->disk_bytes(), sha256};
}

ExitStatus report(const Options& options, Session& session, StateWriter& writer,
                  const CaptureSummary& summary) {
  FileFacts file = facts_of(options, writer, summary);
  auto told =
      session.report(summary_json(options, summary, file), summary_lines(options, summary, file),
                     "the save is done all the same");
  if (options.output) vmtools::warn_of_stale_index(session, *options.output);
  return told;
}

// What a failure says of the guest.
vmtools::GuestFate fate_of(const GuestCapture& guest) {
  auto fate = guest.fate();
  switch (fate) {
    case GuestFate::Untouched:
      return {name_of(fate), "the guest was not touched"};
    case GuestFate::Running:
      return {name_of(fate), "the guest runs again"};
    case GuestFate::Stopped:
      return {name_of(fate), "the guest stands still, as it was found"};
    case GuestFate::Unknown:
      break;
  }
  return {name_of(fate), "the guest may not be as it was found"};
}

// The guest first: it may be standing still.
ExitStatus give_up(const Options& options, Session& session, GuestCapture& guest,
                   const Error& error) {
  guest.abandon();
  session.set_guest(fate_of(guest));
  auto status = session.fail(output_name(options), error);
  if (const auto& left = guest.recovery_error()) {
    session.messages().error(*options.qmp, *left);
  }
  return status;
}

Status verify_file(StateWriter& writer, const CaptureSummary& summary, SaveObserver& observer) {
  auto file = writer.read_back();
  if (!file) return file.error();
  auto stream = file->stream();
  if (!stream) return stream.error();
  return vmstream::verify_stream(**stream, summary.sha256, {.on_progress = [&](const auto& counts) {
    observer.on_progress(counts);
  }});
}

Status verify(StateWriter& writer, const CaptureSummary& summary, SaveObserver& observer) {
  auto verified = verify_file(writer, summary, observer);
  if (verified) return verified;
  Error error = verified.error();
  if (error.code == Errc::Interrupted || error.code == Errc::TimedOut) return error;
  error.message = "what was written does not read back: " + error.message;
  return error;
}

// The file is given its name only once it is on the disk and, if asked for, has been read from
// there and found to hold what was sent.
Status publish(const Options& options, Destination& destination, const CaptureSummary& summary,
               SaveObserver& observer) {
  if (options.verify) {
    observer.enter("verify");
    if (auto verified = verify(destination.writer(), summary, observer); !verified) return verified;
  }
  observer.enter("sync");
  return destination.publish();
}

// Null unless the pages are to be put into order.
vmstream::Result<std::unique_ptr<Compaction>> open_compaction(const Options& options,
                                                              CaptureOptions& capture) {
  if (!options.compact) return std::unique_ptr<Compaction>();
  return Compaction::open(options, capture);
}

vmstream::ByteSink& entrance(StateWriter& writer, Compaction* compaction) {
  return compaction ? compaction->entrance() : writer.entrance();
}

// From the captured stream to the file under its name.
Status finish(const Options& options, Destination& destination, Compaction* compaction,
              CaptureSummary& summary, SaveObserver& observer) {
  if (compaction) {
    observer.enter("compact");
    auto rewritten = compaction->rewrite(destination.writer(), observer, summary);
    if (!rewritten) return rewritten;
  }
  return publish(options, destination, summary, observer);
}

vmstream::Result<CaptureSummary> save(const Options& options, GuestCapture& guest,
                                      StateWriter& writer, Compaction* compaction) {
  if (options.mapped_ram) return guest.capture_mapped(*writer.file());
  return guest.capture(entrance(writer, compaction));
}

// The file is whole without it.
void leave_index(const Options& options, Session& session, const StateWriter& writer) {
  if (!options.mapped_ram) return;
  auto overwrite = options.force ? vmstream::Overwrite::Replace : vmstream::Overwrite::Refuse;
  auto warn = [&](const std::string& reason) {
    session.messages().warning(output_name(options), "no index beside it: " + reason);
  };
  try {
    auto left = writer.leave_index_beside(overwrite);
    if (!left) warn(vmstream::describe(left.error()));
  } catch (const std::bad_alloc&) {
    warn("out of memory");
  }
}

ExitStatus dump_guest(const Options& options, Session& session) {
  auto address = vmstream::QmpAddress::parse(*options.qmp);
  if (!address) return session.fail("--qmp", address.error());
  session.set_guest({name_of(GuestFate::Untouched), "the guest was not touched"});
  SaveObserver observer(session, *options.qmp);
  auto capture = watched_options(options, session, observer);
  auto destination = Destination::open(options, capture.limits);
  if (!destination) return session.fail(output_name(options), destination.error());
  StateWriter& writer = destination->writer();
  observer.watch(writer, options.mapped_ram);
  take_index(options, writer, capture);
  keep_to_size(options, writer, capture);
  auto compaction = open_compaction(options, capture);
  if (!compaction) return session.fail(output_name(options), compaction.error());
  auto guest = GuestCapture::open(*address, capture, &observer);
  if (!guest) return session.fail(*options.qmp, guest.error());

  auto summary = save(options, *guest, writer, compaction->get());
  if (!summary) return give_up(options, session, *guest, summary.error());
  auto published = finish(options, *destination, compaction->get(), *summary, observer);
  if (!published) return give_up(options, session, *guest, published.error());
  leave_index(options, session, writer);
  if (auto completed = guest->complete(); !completed) {
    Error error = completed.error();
    error.hint = "the file is whole all the same; type quit or cont into the human monitor";
    return give_up(options, session, *guest, error);
  }
  observer.enter("done");
  return report(options, session, writer, *summary);
}

ExitStatus rehearse(const Options& options, Session& session) {
  auto address = vmstream::QmpAddress::parse(*options.qmp);
  if (!address) return session.fail("--qmp", address.error());
  session.set_guest({name_of(GuestFate::Untouched), "the guest was not touched"});
  SaveObserver observer(session, *options.qmp);
  auto capture = watched_options(options, session, observer);
  auto output = Destination::rehearse(options, capture.limits);
  if (!output) return session.fail(output_name(options), output.error());
  auto guest = GuestCapture::open(*address, capture, &observer);
  if (!guest) return session.fail(*options.qmp, guest.error());
  auto summary = guest->rehearse();
  if (!summary) return give_up(options, session, *guest, summary.error());
  return session.report(rehearsal_json(options, *summary), rehearsal_lines(options, *summary),
                        "nothing was saved, as --dry-run wants it");
}

ExitStatus dump_stdin(const Options& options, Session& session) {
  if (vmtools::is_terminal(STDIN_FILENO)) {
    return session.fail("stdin", Error{Errc::Usage, "a terminal sends no migration stream"});
  }
  SaveObserver observer(session, "stdin");
  if (auto output = named_output(options)) {
    auto apart = vmstream::require_other_file(*output, "-");
    if (!apart) return session.fail(output_name(options), apart.error());
  }
  auto capture = watched_options(options, session, observer);
  auto destination = Destination::open(options, capture.limits);
  if (!destination) return session.fail(output_name(options), destination.error());
  StateWriter& writer = destination->writer();
  observer.watch(writer, options.mapped_ram);
  take_index(options, writer, capture);
  capture.by_position = writer.is_for_positions();
  auto compaction = open_compaction(options, capture);
  if (!compaction) return session.fail(output_name(options), compaction.error());
  auto source = vmstream::make_fd_source(STDIN_FILENO, capture.limits);
  auto summary =
      vmstream::capture_stream(*source, entrance(writer, compaction->get()), capture, &observer);
  if (!summary) return session.fail(output_name(options), summary.error());
  auto published = finish(options, *destination, compaction->get(), *summary, observer);
  if (!published) return session.fail(output_name(options), published.error());
  observer.enter("done");
  return report(options, session, writer, *summary);
}

// A message under the name of what is in it would puzzle whoever unpacks it by that name.
void warn_of_openpgp(const Options& options, Session& session) {
  std::string name = output_name(options);
  if (options.signer && !options.is_encrypted()) {
    session.messages().warning(name, "signed, but not encrypted");
  }
  if (options.is_openpgp() && vmstream::find_coding_by_suffix(name)) {
    session.messages().warning(name,
                               "holds an OpenPGP message, which the suffix does not say: "
                               ".gpg behind it would");
  }
}

}  // namespace

ExitStatus dump(const Options& options, Session& session) {
  if (options.output == "-") session.leave_stdout();
  if (auto sensible = check(options); !sensible) return session.fail("", sensible.error());
  if (options.explain) return explain(options, session);
  warn_of_openpgp(options, session);
  if (options.dry_run) return rehearse(options, session);
  return options.qmp ? dump_guest(options, session) : dump_stdin(options, session);
}

}  // namespace vmdump
