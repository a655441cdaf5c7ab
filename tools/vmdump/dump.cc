// SPDX-License-Identifier: MIT
#include "vmdump/dump.h"

#include <fmt/format.h>
#include <unistd.h>

#include <new>
#include <nlohmann/json.hpp>

#include <vmstream/libvirt.h>
#include <vmstream/state_file.h>
#include <vmstream/verification.h>
#include "common/around_file.h"
#include "common/blamed_sink.h"
#include "common/output.h"
#include "vmdump/arrival.h"
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
using vmstream::Result;
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
          .with_secrets = options.with_secrets,
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
  bool beside = options.is_mapped() && !options.no_index;
  if (!beside && !writer.wants_index()) return;
  capture.index = [&writer](vmstream::StateIndex index) { writer.set_index(std::move(index)); };
}

// What a live save may still cost where the file must stay below a size: nothing of the rest may
// compress, and blocks may be on their way through the encoder.
constexpr uint64_t kUnderWay = 16u << 20;

// A compact file does not grow with the passes. `writer` is borrowed.
void keep_to_size(const Options& options, const StateWriter& writer, CaptureOptions& capture) {
  bool can_end = !options.domain && options.over_size != OverSize::Fail;
  if (!options.max_size || options.compact || !can_end) return;
  capture.must_end = [&writer, most = *options.max_size](uint64_t bytes_left) {
    return writer.bytes_written() + bytes_left + kUnderWay > most;
  };
}

// What messages about the guest are about.
const std::string& guest_name(const Options& options) {
  return options.domain ? *options.domain : *options.qmp;
}

// What is made of the address of a monitor or of a domain.
template <typename Made>
Result<Made> with_address(const Options& options, auto&& make) {
  if (options.domain) {
    auto address = vmstream::DomainAddress::parse(*options.domain);
    return address ? Result<Made>(make(*address)) : address.error();
  }
  auto address = vmstream::QmpAddress::parse(*options.qmp);
  return address ? Result<Made>(make(*address)) : address.error();
}

Status check_address(const Options& options) {
  if (!options.has_guest()) return vmstream::ok();
  return with_address<std::monostate>(options, [](const auto&) { return vmstream::ok(); });
}

Result<GuestCapture> open_guest(const Options& options, const CaptureOptions& capture,
                                SaveObserver& observer) {
  return with_address<GuestCapture>(options, [&](const auto& address) {
    return GuestCapture::open(address, capture, &observer);
  });
}

ExitStatus explain(const Options& options, Session& session) {
  auto text = with_address<std::string>(options, [&](const auto& address) {
    return vmstream::explain_capture(address, capture_options(options, session),
                                     output_recipe(options));
  });
  if (!text) return session.fail(guest_name(options), text.error());
  vmtools::print(*text);
  if (options.then) {
    vmtools::print(fmt::format("# when all of it has succeeded:\n{}\n", *options.then));
  }
  return ExitStatus::Done;
}

// When all of it is written.
FileFacts facts_of(const Options& options, StateWriter& writer, const CaptureSummary& summary) {
  std::string sha256 = is_plain(options) ? summary.sha256 : writer.sha256();
  if (!options.is_mapped()) return {writer.bytes_written(), writer.bytes_written(), sha256};
  return {summary.counts.stream_bytes, writer.file()->disk_bytes(), sha256};
}

ExitStatus report(const Options& options, Session& session, StateWriter& writer,
                  const CaptureSummary& summary,
                  const std::vector<vmstream::Container>& source = {}) {
  FileFacts file = facts_of(options, writer, summary);
  auto json = summary_json(options, summary, file);
  if (options.from) json["containers"] = vmtools::containers_json(source);
  auto told =
      session.report(json, summary_lines(options, summary, file), "the save is done all the same");
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
    session.messages().error(guest_name(options), *left);
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

// A mapped-ram file is itself the stream that whoever reads it finds.
void tell_of_file(const StateWriter& writer, CaptureSummary& summary) {
  summary.counts.stream_bytes = writer.bytes_written();
  summary.sha256 = writer.sha256();
}

// From the captured stream to the file under its name.
Status finish(const Options& options, Destination& destination, Compaction* compaction,
              CaptureSummary& summary, SaveObserver& observer) {
  if (compaction) {
    observer.enter("compact");
    auto rewritten = compaction->rewrite(destination.writer(), observer, summary);
    if (!rewritten) return rewritten;
  }
  if (options.form == vmstream::FileForm::MappedRam) tell_of_file(destination.writer(), summary);
  return publish(options, destination, summary, observer);
}

vmstream::Result<CaptureSummary> save(const Options& options, GuestCapture& guest,
                                      StateWriter& writer, Compaction* compaction) {
  if (options.mapped_ram) return guest.capture_mapped(*writer.file());
  return guest.capture(entrance(writer, compaction));
}

// The file is whole without it.
void leave_index(const Options& options, Session& session, const StateWriter& writer) {
  if (!options.is_mapped()) return;
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

// `source`: the layers of the file that the stream comes from; `recorded`: the domain's XML in its
// index.
vmstream::Result<Supplies> find_supplies(const Options& options,
                                         const std::vector<vmstream::Container>& source,
                                         const std::optional<std::string>& recorded,
                                         Passphrase passphrase) {
  Supplies supplies{.passphrase = std::move(passphrase)};
  if (options.form != vmstream::FileForm::Libvirt) return supplies;
  auto domain = vmtools::find_libvirt_domain(options.domain_texts, source, recorded, options.runs);
  if (!domain) return domain.error();
  supplies.libvirt = std::move(*domain);
  return supplies;
}

// Of a domain that becomes a save image: as it runs now.
Result<std::optional<std::string>> find_description(const Options& options,
                                                    const vmstream::WaitLimits& limits) {
  bool is_wanted = options.form == vmstream::FileForm::Libvirt && !options.domain_texts.xml;
  if (!options.domain || !is_wanted) return std::optional<std::string>();
  auto address = vmstream::DomainAddress::parse(*options.domain);
  if (!address) return address.error();
  auto xml = vmstream::describe_domain(*address, options.with_secrets, limits);
  if (!xml) return xml.error();
  return std::optional(std::move(*xml));
}

vmstream::Result<Supplies> find_supplies(const Options& options, vmstream::WaitLimits limits) {
  auto passphrase = vmtools::read_passphrase(options.passphrase, limits);
  if (!passphrase) return passphrase.error();
  auto description = find_description(options, limits);
  if (!description) return description.error();
  return find_supplies(options, {}, *description, std::move(*passphrase));
}

void warn_of_lost_description(const Options& options, Session& session) {
  session.messages().warning(output_name(options),
                             "has no index, and so no place for what the domain is made of: "
                             "vmrestore --libvirt will need --xml");
}

ExitStatus dump_guest(const Options& options, Session& session) {
  session.set_guest({name_of(GuestFate::Untouched), "the guest was not touched"});
  SaveObserver observer(session, guest_name(options), "save", true);
  auto capture = watched_options(options, session, observer);
  auto supplies = find_supplies(options, capture.limits);
  if (!supplies) return session.fail(output_name(options), supplies.error());
  auto destination = Destination::open(options, *supplies, capture.limits);
  if (!destination) return session.fail(output_name(options), destination.error());
  StateWriter& writer = destination->writer();
  observer.watch(writer, options.is_mapped());
  take_index(options, writer, capture);
  bool has_place = capture.index || options.form == vmstream::FileForm::Libvirt;
  if (options.domain && !has_place) warn_of_lost_description(options, session);
  keep_to_size(options, writer, capture);
  auto compaction = open_compaction(options, capture);
  if (!compaction) return session.fail(output_name(options), compaction.error());
  auto guest = open_guest(options, capture, observer);
  if (!guest) return session.fail(guest_name(options), guest.error());

  auto summary = save(options, *guest, writer, compaction->get());
  if (!summary) return give_up(options, session, *guest, summary.error());
  auto published = finish(options, *destination, compaction->get(), *summary, observer);
  if (!published) return give_up(options, session, *guest, published.error());
  leave_index(options, session, writer);
  if (auto completed = guest->complete(); !completed) {
    Error error = completed.error();
    error.hint = options.domain
                     ? "the file is whole all the same; virsh destroy ends the domain"
                     : "the file is whole all the same; type quit or cont into the human monitor";
    return give_up(options, session, *guest, error);
  }
  observer.enter("done");
  return report(options, session, writer, *summary);
}

ExitStatus rehearse(const Options& options, Session& session) {
  session.set_guest({name_of(GuestFate::Untouched), "the guest was not touched"});
  SaveObserver observer(session, guest_name(options), "save", true);
  auto capture = watched_options(options, session, observer);
  auto supplies = find_supplies(options, capture.limits);
  if (!supplies) return session.fail(output_name(options), supplies.error());
  auto output = Destination::rehearse(options, *supplies, capture.limits);
  if (!output) return session.fail(output_name(options), output.error());
  auto guest = open_guest(options, capture, observer);
  if (!guest) return session.fail(guest_name(options), guest.error());
  auto summary = guest->rehearse();
  if (!summary) return give_up(options, session, *guest, summary.error());
  return session.report(rehearsal_json(options, *summary), rehearsal_lines(options, *summary),
                        "nothing was saved, as --dry-run wants it");
}

// What the index that `capture` gives says of the capture is what the file's own index said.
void keep_circumstances(const Arrival& arrival, CaptureOptions& capture) {
  if (!capture.index) return;
  capture.index = [&arrival, give = capture.index](vmstream::StateIndex index) {
    arrival.describe(index);
    give(std::move(index));
  };
}

class Nowhere final : public vmstream::ByteSink {
 public:
  Status write(std::span<const std::byte>) override { return vmstream::ok(); }
  Status finish() override { return vmstream::ok(); }
};

// The whole file is read, and nothing written.
ExitStatus rehearse(const Options& options, Session& session, Arrival& arrival,
                    const Supplies& supplies, SaveObserver& observer) {
  auto capture = watched_options(options, session, observer);
  capture.digest = false;
  auto output = Destination::rehearse(options, supplies, capture.limits);
  if (!output) return session.fail(output_name(options), output.error());
  Nowhere nowhere;
  auto summary = vmstream::capture_stream(arrival.stream(), nowhere, capture, &observer);
  std::string source = Arrival::name(options);
  if (!summary) return session.fail(source, summary.error());
  observer.enter("done");
  arrival.tell(session, source);
  auto json = rehearsal_json(options, *summary);
  json["containers"] = vmtools::containers_json(arrival.containers());
  return session.report(json, rehearsal_lines(options, *summary),
                        "nothing was written, as --dry-run wants it");
}

ExitStatus dump_arrival(const Options& options, Session& session) {
  std::string source = Arrival::name(options);
  std::string target = output_name(options);
  SaveObserver observer(session, source, options.from ? "convert" : "save", false);
  if (auto output = named_output(options)) {
    auto from = vmstream::StateName::parse(options.from.value_or("-"));
    auto apart = vmstream::require_other_file(*output, from.file);
    if (!apart) return session.fail(target, apart.error());
  }
  auto capture = watched_options(options, session, observer);
  auto passphrase = vmtools::read_passphrase(options.passphrase, capture.limits);
  if (!passphrase) return session.fail(target, passphrase.error());
  auto arrival = Arrival::open(options, *passphrase, observer, capture.limits);
  if (!arrival) return session.fail(source, arrival.error());
  arrival->tell_of_image(session, source);
  auto supplies = find_supplies(options, arrival->containers(), arrival->domain_xml(), *passphrase);
  if (!supplies) return session.fail(target, supplies.error());
  if (options.dry_run) return rehearse(options, session, *arrival, *supplies, observer);
  auto destination = Destination::open(options, *supplies, capture.limits);
  if (!destination) return session.fail(target, destination.error());
  StateWriter& writer = destination->writer();
  observer.watch(writer, options.is_mapped());
  take_index(options, writer, capture);
  keep_circumstances(*arrival, capture);
  capture.by_position = writer.is_for_positions();
  auto compaction = open_compaction(options, capture);
  if (!compaction) return session.fail(target, compaction.error());
  vmtools::BlamedSink sink(entrance(writer, compaction->get()));
  auto summary = vmstream::capture_stream(arrival->stream(), sink, capture, &observer);
  if (!summary)
    return session.fail(sink.has_failed() || !options.from ? target : source, summary.error());
  auto published = finish(options, *destination, compaction->get(), *summary, observer);
  if (!published) return session.fail(target, published.error());
  leave_index(options, session, writer);
  observer.enter("done");
  arrival->tell(session, source);
  return report(options, session, writer, *summary, arrival->containers());
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

void warn_of_zstd(const Options& options, Session& session) {
  bool is_zstd = chosen_compression(options).coding == vmstream::Coding::Zstd;
  if (options.form != vmstream::FileForm::Libvirt || !is_zstd) return;
  session.messages().warning(output_name(options),
                             "libvirt 9.0 and older refuse images that are packed with zstd");
}

}  // namespace

ExitStatus dump(const Options& options, Session& session) {
  if (options.output == "-") session.leave_stdout();
  if (auto sensible = check(options); !sensible) return session.fail("", sensible.error());
  if (auto named = check_address(options); !named) {
    return session.fail(options.domain ? "--libvirt" : "--qmp", named.error());
  }
  if (options.explain) return explain(options, session);
  warn_of_openpgp(options, session);
  warn_of_zstd(options, session);
  if (options.dry_run && options.has_guest()) return rehearse(options, session);
  return options.has_guest() ? dump_guest(options, session) : dump_arrival(options, session);
}

}  // namespace vmdump
