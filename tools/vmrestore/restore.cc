// SPDX-License-Identifier: MIT
#include "vmrestore/restore.h"

#include <fmt/format.h>
#include <unistd.h>

#include <nlohmann/json.hpp>

#include <vmstream/command.h>
#include <vmstream/lazy_restore.h>
#include <vmstream/libvirt.h>
#include <vmstream/output_file.h>
#include <vmstream/state_writer.h>
#include <vmstream/text.h>
#include "common/around_file.h"
#include "common/blamed_sink.h"
#include "common/output.h"
#include "vmrestore/claim.h"
#include "vmrestore/guest.h"
#include "vmrestore/input.h"
#include "vmrestore/into.h"
#include "vmrestore/observer.h"
#include "vmrestore/report.h"

namespace vmrestore {
namespace {

using vmstream::ByteSource;
using vmstream::Error;
using vmstream::GuardOptions;
using vmstream::HoldBack;
using vmstream::quote_for_shell;
using vmstream::RestoreOptions;
using vmstream::RestoreSummary;
using vmstream::WaitLimits;
using vmtools::BlamedSink;
using vmtools::ExitStatus;
using vmtools::Session;

// What the command line alone tells of it.
RestoreOptions run_options(const Options& options) {
  bool starts = !options.qemu.empty() && vmstream::starts_guest(options.qemu);
  auto run_state = options.into ? vmstream::RunState::Paused : options.run_state;
  return {.run_state = run_state, .start_last = starts};
}

// What all the ways of a restore work with.
struct Restore {
  const Options& options;
  Session& session;
  WaitLimits limits;
  InputClaim claim;
  std::unique_ptr<ByteSource> stream;
  HoldBack hold_back;  // as the input has been proved or not
  std::optional<vmstream::RequiredSigner> required_signer;
  Input& input;

  std::string name() const { return input_name(options); }
  RestoreOptions guest_options() const {
    RestoreOptions guest = run_options(options);
    guest.run_state = wanted_run_state(options, input.containers());
    guest.limits = limits;
    guest.guard = guard_options();
    return guest;
  }
  GuardOptions guard_options() const {
    return {hold_back, options.write_disks, options.accept_damaged_description};
  }

  ExitStatus report(Observer& observer, const RestoreSummary& summary);
  ExitStatus fail(std::string_view subject, const Error& error);
  ExitStatus fail(const Error& error, const Observer& observer);
};

ExitStatus Restore::report(Observer& observer, const RestoreSummary& summary) {
  observer.enter("done");
  session.change_guest(kRestored);
  vmtools::tell_signatures(session, name(), input.containers());
  if (required_signer) tell_signer(options, *required_signer, input.containers(), summary, session);
  auto used_up = claim.use_up();
  auto clock = set_clock(options, summary.run_state, limits);
  auto told = session.report(summary_json(options, input.containers(), summary, bool(clock)),
                             {summary_line(options, summary)}, kDoneAllTheSame);
  if (!clock) told = session.fail(name(), clock.error());
  return used_up ? told : session.fail(name(), used_up.error());
}

ExitStatus Restore::fail(std::string_view subject, const Error& error) {
  auto status = session.fail(subject, error);
  claim.leave(session, name());
  return status;
}

// A QEMU has been asked.
ExitStatus Restore::fail(const Error& error, const Observer& observer) {
  auto status = fail(name(), error);
  if (observer.refusal()) advise(session, name(), input, *observer.refusal());
  return status;
}

// What an error speaks of, which does not say it itself.
std::string blamed(const Restore& restore, const BlamedSink& sink, const std::string& output) {
  return sink.has_failed() ? output : restore.name();
}

ExitStatus restore_to_stdout(Restore& restore) {
  Session& session = restore.session;
  auto allowed = vmtools::refuse_binary_to_terminal(STDOUT_FILENO, restore.options.force);
  if (!allowed) return session.fail("stdout", allowed.error());
  Observer observer(session, restore.name(), restore.claim);
  auto out = vmstream::make_fd_sink(STDOUT_FILENO, restore.limits);
  BlamedSink sink(*out);
  auto summary =
      vmstream::restore_stream(*restore.stream, sink, &observer, restore.guard_options());
  if (!summary) return restore.fail(blamed(restore, sink, "stdout"), summary.error());
  auto read = vmstream::await_reader(STDOUT_FILENO, restore.limits);
  if (!read) return restore.fail("stdout", read.error());
  return restore.report(observer, *summary);
}

// A regular file has no name before it is whole, and copying a stream writes no disk. Whoever reads
// a FIFO may be a QEMU.
GuardOptions copy_options(const Restore& restore, const vmstream::OutputFile& file) {
  GuardOptions options = restore.guard_options();
  if (file.is_in_place()) return options;
  options.hold_back = HoldBack::End;
  options.write_disks = true;
  return options;
}

std::optional<bool> wanted_to_run(const Options& options) {
  if (options.run_state == vmstream::RunState::AsSaved) return std::nullopt;
  return options.run_state == vmstream::RunState::Running;
}

// By files of the user's, or the one that is restored.
vmstream::Result<vmstream::LibvirtDomain> find_domain(const Restore& restore) {
  auto recorded = restore.input.recorded_domain();
  if (!recorded) return recorded.error();
  return vmtools::find_libvirt_domain(restore.options.domain_texts, restore.input.containers(),
                                      *recorded, wanted_to_run(restore.options));
}

vmstream::Result<vmstream::WriteOptions> write_options(const Restore& restore) {
  vmstream::WriteOptions write{.form = restore.options.form,
                               .coding = vmstream::Coding::None,
                               .threads = restore.options.common.threads,
                               .limits = restore.limits};
  if (write.form != vmstream::FileForm::Libvirt) return write;
  auto domain = find_domain(restore);
  if (!domain) return domain.error();
  write.libvirt = std::move(*domain);
  return write;
}

ExitStatus restore_to_file(Restore& restore) {
  Session& session = restore.session;
  const std::string& path = *restore.options.output;
  auto overwrite =
      restore.options.force ? vmstream::Overwrite::Replace : vmstream::Overwrite::Refuse;
  auto inputs = restore.options.parts;
  inputs.push_back(restore.options.file.value_or("-"));
  for (const std::string& input : inputs) {
    auto apart = vmstream::require_other_file(path, vmstream::StateName::parse(input).file);
    if (!apart) return session.fail(path, apart.error());
  }
  auto write = write_options(restore);
  if (!write) return session.fail(path, write.error());
  auto writer = vmstream::StateWriter::create(path, overwrite, std::move(*write));
  if (!writer) return session.fail(path, writer.error());
  Observer observer(session, restore.name(), restore.claim);
  BlamedSink sink(writer->entrance());
  auto guard = copy_options(restore, *writer->file());
  auto summary = vmstream::restore_stream(*restore.stream, sink, &observer, guard);
  if (!summary) return restore.fail(blamed(restore, sink, path), summary.error());
  observer.enter("sync");
  if (auto published = writer->publish(); !published) {
    return session.fail(path, published.error());
  }
  vmtools::warn_of_stale_index(session, path);
  return restore.report(observer, *summary);
}

ExitStatus restore_to_monitor(Restore& restore) {
  Session& session = restore.session;
  const std::string& monitor = *restore.options.qmp;
  auto qmp = connect_to_qemu(session, monitor, restore.limits);
  if (!qmp) return session.fail(monitor, qmp.error());
  auto target = find_target(restore.options, *qmp);
  if (!target) return session.fail(*restore.options.into, target.error());
  Observer observer(session, restore.name(), restore.claim);
  auto summary = vmstream::restore_guest(*restore.stream, *qmp, restore.guest_options(), &observer);
  if (!summary) return restore.fail(summary.error(), observer);
  if (*target) {
    auto saved = save_into(**target, session, restore.options, *qmp, restore.limits);
    if (!saved) return restore.fail(*restore.options.into, saved.error());
  }
  return restore.report(observer, *summary);
}

ExitStatus restore_to_new_qemu(Restore& restore) {
  Session& session = restore.session;
  const std::string& program = restore.options.qemu[0];
  auto qemu = start_qemu(session, restore.options, restore.limits);
  if (!qemu) return session.fail(program, qemu.error());
  auto target = find_target(restore.options, qemu->qmp());
  if (!target) return session.fail(*restore.options.into, target.error());
  auto reported = ExitStatus::Done;
  {
    Observer observer(session, restore.name(), restore.claim);
    auto summary =
        vmstream::restore_guest(*restore.stream, qemu->qmp(), restore.guest_options(), &observer);
    if (!summary) return restore.fail(summary.error(), observer);
    if (*target) {
      auto saved = save_into(**target, session, restore.options, qemu->qmp(), restore.limits);
      if (!saved) return restore.fail(*restore.options.into, saved.error());
      auto told = qemu->qmp().execute("quit");
      if (!told) return restore.fail(program, told.error());
    }
    reported = restore.report(observer, *summary);
  }
  return wait_for_qemu(session, *qemu, program, reported);
}

// libvirt stops every domain that it saves, and notes in its image whether it ran.
RestoreOptions domain_options(const Restore& restore) {
  RestoreOptions options = restore.guest_options();
  if (options.run_state != vmstream::RunState::AsSaved) return options;
  for (const auto& container : restore.input.containers()) {
    if (!container.libvirt || !container.libvirt->was_running) continue;
    bool ran = *container.libvirt->was_running;
    options.run_state = ran ? vmstream::RunState::Running : vmstream::RunState::Paused;
  }
  return options;
}

ExitStatus restore_to_libvirt(Restore& restore) {
  Session& session = restore.session;
  auto domain = find_domain(restore);
  if (!domain) return restore.fail(restore.name(), domain.error());
  Observer observer(session, restore.name(), restore.claim);
  vmstream::DomainPlan plan{.uri = *restore.options.libvirt, .xml = std::move(domain->xml)};
  auto summary =
      vmstream::restore_domain(*restore.stream, plan, domain_options(restore), &observer);
  if (!summary) return restore.fail(summary.error(), observer);
  return restore.report(observer, *summary);
}

// What this tool is told of the file, as a shell takes it.
std::string input_words(const Options& options) {
  if (options.exec) return "--exec " + quote_for_shell(*options.exec);
  std::string words = options.multifd ? "--multifd " : "";
  words += quote_for_shell(options.file.value_or("-"));
  for (const std::string& part : options.parts) words += " " + quote_for_shell(part);
  return words;
}

// Of a restore that no QEMU is asked for.
std::string explain_plain(const Options& options) {
  bool to_file = options.output.value_or("-") != "-";
  return fmt::format(
      "# No QEMU is asked: the plain stream goes to {}. One takes it by itself with\n"
      "qemu-system-x86_64 ... -incoming \"exec:{}{}\"\n",
      to_file ? vmstream::escape(*options.output) : "stdout", to_file ? "cat " : "vmrestore ",
      to_file ? quote_for_shell(*options.output) : input_words(options));
}

std::string load_explanation(const Options& options, const vmstream::QmpAddress* address) {
  if (options.libvirt) {
    return vmstream::explain_restore(input_words(options), {.uri = *options.libvirt, .xml = {}},
                                     run_options(options));
  }
  if (!address && options.qemu.empty()) return explain_plain(options);
  if (options.lazy) return vmstream::explain_lazy_restore(address, options.run_state);
  if (options.resume_lazy) return vmstream::explain_lazy_recovery(*address);
  return vmstream::explain_restore(input_words(options), address, run_options(options));
}

// Once the guest runs.
std::string clock_explanation(const Options& options) {
  if (!options.set_clock) return {};
  return fmt::format(
      "# then, through the guest agent at {}:\n"
      "{{\"execute\": \"guest-set-time\", \"arguments\": {{\"time\": NANOSECONDS}}}}\n",
      vmstream::escape(*options.agent));
}

std::string explanation(const Options& options, const vmstream::QmpAddress* address) {
  return load_explanation(options, address) + into_explanation(options) +
         clock_explanation(options);
}

ExitStatus explain(const Options& options, Session& session) {
  if (!options.qmp) {
    vmtools::print(explanation(options, nullptr));
    return ExitStatus::Done;
  }
  auto address = vmstream::QmpAddress::parse(*options.qmp);
  if (!address) return session.fail("--qmp", address.error());
  vmtools::print(explanation(options, &*address));
  return ExitStatus::Done;
}

ExitStatus run(Restore& restore) {
  if (restore.options.qmp) return restore_to_monitor(restore);
  if (restore.options.libvirt) return restore_to_libvirt(restore);
  if (!restore.options.qemu.empty()) return restore_to_new_qemu(restore);
  return restore.options.to_stdout() ? restore_to_stdout(restore) : restore_to_file(restore);
}

bool is_copy(const Options& options) {
  return !options.has_guest() && !options.to_stdout();
}

}  // namespace

ExitStatus restore(const Options& options, Session& session) {
  if (options.to_stdout()) session.leave_stdout();
  if (auto sensible = check(options); !sensible) return session.fail("", sensible.error());
  if (options.explain && !options.map) return explain(options, session);
  if (!is_copy(options)) session.set_guest(options.resume_lazy ? kWaits : kNotStarted);
  if (options.lazy || options.resume_lazy) return restore_lazy(options, session);
  if (options.map) return restore_mapped(options, session);
  auto limits = session.limits(options.timeout);
  auto how = open_options(options, limits);
  if (!how) return session.fail(input_name(options), how.error());
  auto claim = InputClaim::take(options);
  if (!claim) return session.fail(input_name(options), claim.error());
  auto signer = how->required_signer;
  auto input = Input::open(options, *claim, std::move(*how), limits);
  if (!input) return session.fail(input_name(options), input.error());
  vmtools::warn_of_changed_disks(session, input_name(options), input->recorded_disks());
  input->tell_of_image(session);
  auto proved = input->prove_if_wanted(session);
  if (!proved) return session.fail(input_name(options), proved.error());
  auto stream = input->open_stream();
  if (!stream) return session.fail(input_name(options), stream.error());
  auto sound = input->check_containers(session);
  if (!sound) return session.fail(input_name(options), sound.error());
  Restore restore{
      options,           session, limits, std::move(*claim), std::move(*stream), input->hold_back(),
      std::move(signer), *input};
  return run(restore);
}

}  // namespace vmrestore
