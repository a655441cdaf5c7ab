// SPDX-License-Identifier: MIT
#include "vmrestore/restore.h"

#include <fmt/format.h>

#include <chrono>
#include <nlohmann/json.hpp>

#include <vmstream/command.h>
#include <vmstream/mapped_restore.h>
#include <vmstream/memory_view.h>
#include <vmstream/text.h>
#include "common/around_file.h"
#include "common/output.h"
#include "common/progress.h"
#include "vmrestore/claim.h"
#include "vmrestore/guest.h"
#include "vmrestore/indexing.h"
#include "vmrestore/input.h"
#include "vmrestore/observer.h"
#include "vmrestore/report.h"

namespace vmrestore {
namespace {

using vmstream::Error;
using vmstream::LazyFile;
using vmstream::LostPage;
using vmstream::MappedCommand;
using vmstream::MemoryView;
using vmstream::Result;
using vmtools::ExitStatus;
using vmtools::Session;

constexpr const char* kWaitsForEver =
    "the guest waits at this page and cannot go on; a QEMU that does not answer any more ends by "
    "SIGKILL";

// A view that was killed takes its guests with it before its end is seen.
constexpr auto kLastWords = std::chrono::milliseconds(300);

// Looks, several times a second, whether the memory of the guest is still to be had.
class MemoryWatch {
 public:
  MemoryWatch(Session& session, std::string subject, MemoryView& view)
      : session_(session), subject_(std::move(subject)), view_(view) {}

  /// While the guest is loaded nothing of it is lost by ending its QEMU.
  void guard_load(vmstream::QemuProcess& qemu) { qemu_ = &qemu; }
  void guest_is_loaded() { loaded_ = true; }

  void look(std::chrono::milliseconds patience = {});
  /// The first thing that went wrong.
  const std::optional<Error>& error() const { return error_; }

 private:
  void meet(const LostPage& page);

  Session& session_;
  std::string subject_;
  MemoryView& view_;
  vmstream::QemuProcess* qemu_ = nullptr;
  bool loaded_ = false;
  bool ended_ = false;
  std::optional<Error> error_;
};

void MemoryWatch::meet(const LostPage& page) {
  Error error = error_of(page);
  if (page.is_old) {
    session_.messages().warning(subject_, vmstream::describe(error));
    return;
  }
  if (loaded_) {
    error.hint = kWaitsForEver;
    session_.messages().error(subject_, error);
  }
  if (!error_) error_ = std::move(error);
  if (!loaded_ && qemu_) qemu_->kill();
}

// A guest without the rest of its memory would end by SIGBUS sooner or later, or take what it lacks
// for a failure of its disks.
void MemoryWatch::look(std::chrono::milliseconds patience) {
  if (ended_) return;
  auto lost = view_.lost_pages(patience);
  if (lost) {
    for (const LostPage& page : *lost) meet(page);
    return;
  }
  ended_ = true;
  if (loaded_) session_.messages().error(subject_, lost.error());
  if (!error_) error_ = lost.error();
  if (qemu_) qemu_->kill();
}

struct MappedRun {
  const Options& options;
  Session& session;
  vmstream::WaitLimits limits;
  InputClaim claim;
  LazyFile file;
  const Input& input;

  std::string name() const { return input_name(options); }
  Result<MemoryView> open_memory();
  Result<MappedCommand> complete(const MemoryView& view) const;
  uint64_t mapped_bytes(const MappedCommand& command) const;
  vmstream::RestoreOptions guest_options(const vmstream::WaitLimits& within) const;
  ExitStatus run();
  ExitStatus load(MemoryView& view, const MappedCommand& command, vmstream::QemuProcess& qemu,
                  MemoryWatch& watch);
  ExitStatus fail(const Error& error, const Observer& observer, const MemoryWatch& watch);
};

Result<MemoryView> MappedRun::open_memory() {
  vmstream::MemoryViewOptions how{.threads = options.common.threads, .limits = limits};
  if (*options.map == "copy") {
    vmtools::Progress progress(session, "copy");
    uint64_t whole = file.index().facts.ram_bytes;
    return MemoryView::copy(file, how, [&](uint64_t bytes) {
      progress.update({.guest_bytes = whole, .page_bytes = bytes});
    });
  }
  auto named = vmstream::StateName::parse(*options.file);
  if (auto identity = vmstream::identify_file(named.file)) {
    how.identity =
        fmt::format("{} {} {}", *identity, options.verify_first, named.snapshot.value_or(""));
  }
  return MemoryView::open(file, how);
}

Result<MappedCommand> MappedRun::complete(const MemoryView& view) const {
  return vmstream::complete_command(
      options.qemu, file.index(), [&view](std::string_view block) { return view.path_of(block); },
      limits);
}

uint64_t MappedRun::mapped_bytes(const MappedCommand& command) const {
  uint64_t bytes = 0;
  for (const auto& entry : file.index().facts.blocks) {
    bool is_mapped = std::ranges::find(command.blocks, entry.block.name) != command.blocks.end();
    if (is_mapped) bytes += entry.block.used_length;
  }
  return bytes;
}

vmstream::RestoreOptions MappedRun::guest_options(const vmstream::WaitLimits& within) const {
  return {.run_state = wanted_run_state(options, file.containers()),
          .start_last = vmstream::starts_guest(options.qemu),
          .limits = within,
          .guard = {.hold_back = input.hold_back()}};
}

// What became of its memory says more than what QEMU says.
ExitStatus MappedRun::fail(const Error& error, const Observer& observer, const MemoryWatch& watch) {
  auto status = session.fail(name(), watch.error().value_or(error));
  if (!watch.error() && observer.refusal()) advise(session, name(), input, *observer.refusal());
  return status;
}

ExitStatus MappedRun::load(MemoryView& view, const MappedCommand& command,
                           vmstream::QemuProcess& qemu, MemoryWatch& watch) {
  std::function<void()> look = [&watch] { watch.look(); };
  vmstream::WaitLimits within = limits;
  within.meanwhile = &look;
  Observer observer(session, name(), claim);
  auto before = view.counts(limits);
  if (!before) return fail(before.error(), observer, watch);
  auto summary =
      vmstream::restore_mapped(file, command.blocks, qemu.qmp(), guest_options(within), &observer);
  watch.look();
  if (!summary || watch.error()) {
    return fail(summary ? *watch.error() : summary.error(), observer, watch);
  }
  watch.guest_is_loaded();
  auto after = view.counts(limits);
  if (!after) return fail(after.error(), observer, watch);
  observer.enter("done");
  session.set_guest(kRestored);
  keep_index(session, name(), file, limits);
  auto clock = set_clock(options, summary->run_state, limits);
  MappedMemory memory{view, mapped_bytes(command), *before, *after};
  auto told = session.report(mapped_summary_json(options, file, *summary, memory, bool(clock)),
                             {mapped_summary_line(options, *summary, memory)}, kDoneAllTheSame);
  return clock ? told : session.fail(name(), clock.error());
}

ExitStatus MappedRun::run() {
  auto view = open_memory();
  if (!view) return session.fail(name(), view.error());
  auto command = complete(*view);
  if (!command) return session.fail(options.qemu[0], command.error());
  auto qemu = start_qemu(session, options, command->argv, view->descriptors(), limits);
  if (!qemu) return session.fail(options.qemu[0], qemu.error());
  MemoryWatch watch(session, name(), *view);
  watch.guard_load(*qemu);
  auto status = load(*view, *command, *qemu, watch);
  if (status != ExitStatus::Done) return status;
  auto ended = wait_for_qemu(session, *qemu, options.qemu[0], status, [&watch] { watch.look(); });
  bool failed = ended != status;
  watch.look(failed ? kLastWords : std::chrono::milliseconds(0));  // it may be the reason
  return watch.error() ? vmtools::exit_status_of(watch.error()->code) : ended;
}

// The command with names in place of the files that do not exist yet.
ExitStatus print_command(const Options& options, Session& session, const LazyFile& file,
                         const vmstream::WaitLimits& limits) {
  auto command = vmstream::complete_command(
      options.qemu, file.index(),
      [](std::string_view block) -> std::optional<std::string> {
        return "VIEW/" + std::string(block);
      },
      limits);
  if (!command) return session.fail(options.qemu[0], command.error());
  std::string line;
  for (const std::string& word : command->argv) line += vmstream::quote_for_shell(word) + " ";
  vmtools::print(
      fmt::format("# the RAM blocks of {} as files of {}; all else is loaded:\n{}-incoming defer\n",
                  vmstream::escape(input_name(options)),
                  options.map->empty() ? "a FUSE view" : "a sealed copy in memory", line));
  return ExitStatus::Done;
}

}  // namespace

ExitStatus restore_mapped(const Options& options, Session& session) {
  auto limits = session.limits(options.timeout);
  auto how = open_options(options, limits);
  if (!how) return session.fail(input_name(options), how.error());
  auto claim = InputClaim::take(options);
  if (!claim) return session.fail(input_name(options), claim.error());
  auto input = Input::open(options, *claim, std::move(*how), limits);
  if (!input) return session.fail(input_name(options), input.error());
  vmtools::warn_of_changed_disks(session, input_name(options), input->recorded_disks());
  input->tell_of_image(session);
  auto file = input->open_lazily(session, indexing_observer(session, input_name(options)), true);
  if (!file) return session.fail(input_name(options), file.error());
  auto sound = check_containers(session, input_name(options), file->containers());
  if (!sound) return session.fail(input_name(options), sound.error());
  if (options.explain) return print_command(options, session, *file, limits);
  MappedRun run{options, session, limits, std::move(*claim), std::move(*file), *input};
  return run.run();
}

}  // namespace vmrestore
