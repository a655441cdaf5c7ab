// SPDX-License-Identifier: MIT
#include "vmrestore/input.h"

#include <unistd.h>

#include <filesystem>

#include <vmstream/command.h>
#include <vmstream/indexing.h>
#include <vmstream/verification.h>
#include "common/around_file.h"
#include "common/progress.h"
#include "common/terminal.h"

namespace vmrestore {
namespace {

using vmstream::ByteSource;
using vmstream::Errc;
using vmstream::Error;
using vmstream::HoldBack;
using vmstream::LazyFile;
using vmstream::OpenedInput;
using vmstream::OpenOptions;
using vmstream::Result;
using vmstream::StateFile;
using vmstream::StateIndex;
using vmstream::Status;
using vmstream::WaitLimits;
using vmtools::Session;

Result<OpenedInput> open_once(const Options& options, const InputClaim& claim, WaitLimits limits) {
  if (options.exec) {
    auto command = vmstream::make_command_source(*options.exec, limits);
    if (!command) return command.error();
    return OpenedInput{{}, std::move(*command)};
  }
  if (*options.file != "-") return claim.open(limits);
  if (vmtools::is_terminal(STDIN_FILENO)) {
    return Error{Errc::Usage, "a terminal sends no state file"};
  }
  return OpenedInput{{}, vmstream::make_fd_source(STDIN_FILENO, limits)};
}

// Parts of one guest, which nobody claims.
bool is_several(const Options& options) {
  std::error_code unknown;
  return !options.parts.empty() || std::filesystem::is_directory(*options.file, unknown);
}

Status verify(Session& session, ByteSource& plain, const Options& options) {
  vmtools::Progress progress(session, "verify");
  auto wanted = options.accept_damaged_description ? vmstream::Wanted::WholeButForDescription
                                                   : vmstream::Wanted::Whole;
  return vmstream::verify_stream(
      plain, {}, {.on_progress = [&](const auto& counts) { progress.update(counts); }}, wanted);
}

// The same, which makes the stream's index on the way.
Result<StateIndex> verify_for_index(Session& session, ByteSource& stream) {
  vmtools::Progress progress(session, "verify");
  vmstream::IndexBuilder builder;
  vmstream::Verifier verifier;
  auto scan = vmstream::scan_stream(
      stream, verifier,
      {.also = &builder, .on_progress = [&](const auto& counts) { progress.update(counts); }});
  if (scan.fault) return *scan.fault;
  if (auto whole = verifier.finish(scan).status(); !whole) return whole.error();
  return builder.finish(scan.plain_bytes, scan.stream_bytes, true);
}

}  // namespace

Result<OpenOptions> open_options(const Options& options, WaitLimits limits) {
  auto passphrase = vmtools::read_passphrase(options.passphrase, limits);
  if (!passphrase) return passphrase.error();
  OpenOptions how{.decode = {.threads = options.common.threads, .limits = limits},
                  .openpgp = {.passphrase = *passphrase, .limits = limits}};
  if (!options.required_signer) return how;
  auto signer = vmstream::RequiredSigner::find(*options.required_signer, limits);
  if (!signer) return signer.error();
  how.required_signer = std::move(*signer);
  return how;
}

// A claimed file has another name for the while; its index stays with the one that it is known by.
Result<Input> Input::open(const Options& options, const InputClaim& claim, OpenOptions how,
                          WaitLimits limits) {
  if (options.file && is_several(options)) {
    how.parts = options.parts;
    auto file = StateFile::open(*options.file, std::move(how));
    if (!file) return file.error();
    return Input(options, std::move(*file));
  }
  auto input = open_once(options, claim, limits);
  if (!input) return input.error();
  if (!input->file && options.verify_first) {
    return Error{Errc::Usage, "--verify-first reads twice: this is no regular file or device"};
  }
  if (input->file) {
    how.sidecar = vmstream::sidecar_path(*options.file);
    how.snapshot = claim.snapshot();
  }
  return Input(options, StateFile::open(std::move(*input), std::move(how)));
}

// A demanded signature is checked beforehand wherever the file can be read twice.
bool Input::is_wanted_proved() const {
  return options_.verify_first || (options_.required_signer && file_.can_be_reread());
}

Status Input::prove_if_wanted(Session& session) {
  if (!is_wanted_proved()) return vmstream::ok();
  return file_.prove([&](ByteSource& stream) { return verify(session, stream, options_); });
}

Result<std::unique_ptr<ByteSource>> Input::open_stream() {
  return file_.piped_stream();
}

std::unique_ptr<ByteSource> Input::open_again(WaitLimits limits) const {
  auto file = file_.again(
      {.decode = {.threads = options_.common.threads, .limits = limits}, .decrypt = false});
  if (!file) return nullptr;
  auto stream = file->stream();
  return stream ? std::move(*stream) : nullptr;
}

std::vector<vmstream::SavedDisk> Input::recorded_disks() {
  const auto* index = file_.index();
  if (!index) return {};
  auto facts = index->read_facts();
  return facts ? facts->capture.disks : std::vector<vmstream::SavedDisk>();
}

Result<std::optional<std::string>> Input::recorded_domain() {
  const auto* index = file_.index();
  if (!index) return std::optional<std::string>();
  return index->read_domain_xml();
}

void Input::tell_of_image(Session& session) {
  vmtools::tell_of_image(session, input_name(options_), file_, true);
}

// A signature is the last thing of a file.
HoldBack Input::hold_back() const {
  if (is_wanted_proved()) return HoldBack::End;
  return options_.required_signer ? HoldBack::AllUnsigned : HoldBack::AllButMemory;
}

Status Input::check_containers(Session& session) const {
  return vmrestore::check_containers(session, input_name(options_), containers());
}

Result<LazyFile> Input::open_lazily(Session& session, vmstream::IndexingObserver observer,
                                    bool is_mapped) const {
  if (!file_.can_be_reread()) return Error{Errc::Unsupported, "cannot be read by position"};
  auto file = file_.again();
  if (!file) return file.error();
  vmstream::LazyFileOptions lazy{.observer = std::move(observer),
                                 .wanted_by = is_mapped ? "--map" : "--lazy",
                                 .takes_postcopy = is_mapped};
  if (is_wanted_proved()) {
    lazy.judge = [&](ByteSource& stream) { return verify_for_index(session, stream); };
  }
  return LazyFile::open(std::move(*file), lazy);
}

// Of an image whose writer broke off not even a whole stream is known to be the last one.
Status check_containers(Session& session, const std::string& name,
                        const std::vector<vmstream::Container>& containers) {
  for (const auto& container : containers) {
    if (container.libvirt && !container.libvirt->is_finished) {
      return Error{.code = Errc::Malformed,
                   .message = "the libvirt save image was not finished",
                   .hint =
                       "'vmstream-inspect extract stream FILE -o X' takes out what there is of "
                       "its stream; restore X if verify finds it whole"};
    }
    for (const std::string& problem : container.problems) {
      session.messages().warning(name, container.type + ": " + problem);
    }
  }
  return vmstream::ok();
}

}  // namespace vmrestore
