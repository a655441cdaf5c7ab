// SPDX-License-Identifier: MIT
#include "vmrestore/input.h"

#include <unistd.h>

#include <vmstream/command.h>
#include <vmstream/index_builder.h>
#include <vmstream/index_comparison.h>
#include <vmstream/seekable_state.h>
#include <vmstream/unmapped.h>
#include <vmstream/verification.h>
#include "common/progress.h"
#include "common/terminal.h"

namespace vmrestore {
namespace {

using vmstream::ByteSource;
using vmstream::Errc;
using vmstream::Error;
using vmstream::HoldBack;
using vmstream::LazyFile;
using vmstream::LazyProof;
using vmstream::OpenedInput;
using vmstream::OpenOptions;
using vmstream::PieceDigests;
using vmstream::Result;
using vmstream::SeekableState;
using vmstream::StateFile;
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

// A mapped-ram file and its stream anew.
class UnmappedFile final : public ByteSource {
 public:
  static Result<std::unique_ptr<ByteSource>> open(SeekableState state) {
    auto stream = vmstream::make_unmapped_source(*state.plain());
    if (!stream) return stream.error();
    return std::unique_ptr<ByteSource>(new UnmappedFile(std::move(state), std::move(*stream)));
  }
  Result<size_t> read(std::span<std::byte> into) override { return stream_->read(into); }

 private:
  UnmappedFile(SeekableState state, std::unique_ptr<ByteSource> stream)
      : state_(std::move(state)), stream_(std::move(stream)) {}

  SeekableState state_;
  std::unique_ptr<ByteSource> stream_;  // reads the state
};

Status verify(Session& session, ByteSource& plain, const Options& options) {
  vmtools::Progress progress(session, "verify");
  auto wanted = options.accept_damaged_description ? vmstream::Wanted::WholeButForDescription
                                                   : vmstream::Wanted::Whole;
  return vmstream::verify_stream(
      plain, {}, {.on_progress = [&](const auto& counts) { progress.update(counts); }}, wanted);
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

Result<Input> Input::open(const Options& options, const InputClaim& claim, OpenOptions how,
                          WaitLimits limits) {
  auto input = open_once(options, claim, limits);
  if (!input) return input.error();
  if (!input->file && options.verify_first) {
    return Error{Errc::Usage, "--verify-first reads twice: this is no regular file or device"};
  }
  return Input(options, std::move(how), limits, std::move(*input));
}

// A demanded signature is checked beforehand wherever the file can be read twice.
bool Input::is_wanted_proved() const {
  return options_.verify_first || (options_.required_signer && input_.file);
}

// A claimed file has another name for the while; its index stays with the one that it is known by.
std::string Input::sidecar() const {
  return vmstream::sidecar_path(*options_.file);
}

// Empty for anything else, and where it cannot be read by position.
std::optional<SeekableState> Input::open_mapped() const {
  if (!input_.file) return std::nullopt;
  auto state = vmstream::open_seekable_state(
      reader(), {.sidecar = sidecar(), .limits = limits_, .digests = stream_digests_});
  if (!state || !state->plain() || !vmstream::is_mapped_ram(*state->plain())) return std::nullopt;
  // A table that lies may leave out a stream and lead to another one behind it.
  if (!vmstream::has_sure_positions(*state)) return std::nullopt;
  return state;
}

Status Input::prove_if_wanted(Session& session) {
  if (!is_wanted_proved()) return vmstream::ok();
  return open_mapped() ? prove_stream(session) : prove_file(session);
}

// The second reading is the same as the first. What stands behind the stream belongs to the file.
Status Input::prove_file(Session& session) {
  auto digests = std::make_shared<PieceDigests>(PieceDigests::Of::File);
  auto whole = vmstream::make_whole_source(reader());
  auto state = vmstream::open_state(vmstream::make_noting_source(std::move(whole), digests), how_);
  if (!state) return state.error();
  if (auto verified = verify(session, *state->plain, options_); !verified) return verified;
  if (auto read = digests->append_rest(*reader()); !read) return read;
  if (auto sealed = digests->seal(); !sealed) return sealed;
  file_digests_ = std::move(digests);
  return vmstream::ok();
}

// The second reading is by position, where tables say. They could lead to other bytes of the file.
Status Input::prove_stream(Session& session) {
  auto digests = std::make_shared<PieceDigests>(PieceDigests::Of::Stream);
  auto state = vmstream::open_state(vmstream::make_whole_source(reader()), how_);
  if (!state) return state.error();
  auto plain = vmstream::make_noting_source(std::move(state->plain), digests);
  if (auto verified = verify(session, *plain, options_); !verified) return verified;
  if (auto sealed = digests->seal(); !sealed) return sealed;
  stream_digests_ = std::move(digests);
  return vmstream::ok();
}

Result<StateFile> Input::open_stream() {
  if (!input_.file) return vmstream::open_state(std::move(input_.stream), how_);
  bool may_be_mapped = !file_digests_;  // else it has been looked at already
  if (auto mapped = may_be_mapped ? open_mapped() : std::nullopt) {
    auto containers = mapped->containers;
    auto stream = UnmappedFile::open(std::move(*mapped));
    if (!stream) return stream.error();
    return StateFile{std::move(containers), std::move(*stream)};
  }
  auto file = reader();
  if (file_digests_) file = vmstream::make_proved_source(std::move(file), file_digests_);
  return vmstream::open_state(vmstream::make_whole_source(std::move(file)), how_);
}

std::unique_ptr<ByteSource> Input::open_again(WaitLimits limits) const {
  if (!input_.file) return nullptr;
  OpenOptions how{.decode = {.threads = options_.common.threads, .limits = limits},
                  .decrypt = false};
  auto state = vmstream::open_state(vmstream::make_whole_source(input_.file->reader(limits)), how);
  return state ? std::move(state->plain) : nullptr;
}

std::vector<vmstream::SavedDisk> Input::recorded_disks() const {
  if (!input_.file) return {};
  auto state = vmstream::open_seekable_state(reader(), {.sidecar = sidecar(), .limits = limits_});
  if (!state || !state->index) return {};
  auto facts = state->index->read_facts();
  return facts ? facts->capture.disks : std::vector<vmstream::SavedDisk>();
}

// A signature is the last thing of a file.
HoldBack Input::hold_back() const {
  if (is_wanted_proved()) return HoldBack::End;
  return options_.required_signer ? HoldBack::AllUnsigned : HoldBack::AllButMemory;
}

Result<LazyProof> Input::prove_lazily(Session& session) {
  auto maker = LazyFile::open_whole(*input_.file, how_.decode);
  if (!maker) return maker.error();
  auto digests = std::make_shared<PieceDigests>(PieceDigests::Of::Stream);
  auto plain = vmstream::make_noting_source(maker->plain(), digests);
  vmtools::Progress progress(session, "verify");
  vmstream::IndexBuilder builder;
  vmstream::Verifier verifier;
  auto scan = vmstream::scan_stream(
      *plain, verifier,
      {.also = &builder, .on_progress = [&](const auto& counts) { progress.update(counts); }});
  if (scan.fault) return *scan.fault;
  if (auto whole = verifier.finish(scan).status(); !whole) return whole.error();
  if (auto sealed = digests->seal(); !sealed) return sealed.error();
  auto index = builder.finish(scan.plain_bytes, scan.stream_bytes, true);
  auto bytes = maker->finish(index);
  if (!bytes) return bytes.error();
  auto kept = std::make_shared<const std::vector<std::byte>>(std::move(*bytes));
  return LazyProof{maker->containers(), std::move(index), std::move(kept), std::move(digests)};
}

Result<LazyFile> Input::open_lazily(Session& session, vmstream::IndexingObserver observer) {
  if (!input_.file) return Error{Errc::Unsupported, "cannot be read by position"};
  vmstream::LazyFileOptions lazy{
      .observer = std::move(observer), .sidecar = sidecar(), .limits = limits_};
  if (is_wanted_proved()) {
    auto proof = prove_lazily(session);
    if (!proof) return proof.error();
    lazy.proof = std::move(*proof);
  }
  return LazyFile::open(*input_.file, std::move(lazy));
}

}  // namespace vmrestore
