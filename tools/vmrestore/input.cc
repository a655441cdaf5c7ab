// SPDX-License-Identifier: MIT
#include "vmrestore/input.h"

#include <unistd.h>

#include <vmstream/command.h>
#include <vmstream/index_comparison.h>
#include <vmstream/random_source.h>
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
using vmstream::OpenOptions;
using vmstream::Result;
using vmstream::StateFile;
using vmstream::WaitLimits;
using vmtools::Session;

Result<std::unique_ptr<ByteSource>> open_input(const Options& options, const std::string& path,
                                               WaitLimits limits) {
  if (options.exec) return vmstream::make_command_source(*options.exec, limits);
  if (path != "-") return vmstream::open_file_source(path, limits);
  if (vmtools::is_terminal(STDIN_FILENO)) {
    return Error{Errc::Usage, "a terminal sends no state file"};
  }
  return vmstream::make_fd_source(STDIN_FILENO, limits);
}

// A mapped-ram file and its stream anew.
class UnmappedFile final : public ByteSource {
 public:
  static Result<std::unique_ptr<ByteSource>> open(vmstream::SeekableState state) {
    auto stream = vmstream::make_unmapped_source(*state.plain());
    if (!stream) return stream.error();
    return std::unique_ptr<ByteSource>(new UnmappedFile(std::move(state), std::move(*stream)));
  }
  Result<size_t> read(std::span<std::byte> into) override { return stream_->read(into); }

 private:
  UnmappedFile(vmstream::SeekableState state, std::unique_ptr<ByteSource> stream)
      : state_(std::move(state)), stream_(std::move(stream)) {}

  vmstream::SeekableState state_;
  std::unique_ptr<ByteSource> stream_;  // reads the state
};

// Empty for anything else, and where it cannot be read by position.
std::optional<vmstream::SeekableState> open_mapped(const Options& options,
                                                   const std::string& path) {
  if (options.exec || path == "-") return std::nullopt;
  auto state = vmstream::open_seekable_state(path);
  if (!state || !state->plain() || !vmstream::is_mapped_ram(*state->plain())) return std::nullopt;
  // A table that lies may leave out a stream and lead to another one behind it.
  if (!vmstream::has_sure_positions(*state)) return std::nullopt;
  return state;
}

}  // namespace

Result<OpenOptions> open_options(const Options& options, WaitLimits limits) {
  auto passphrase = vmtools::read_passphrase(options.passphrase, limits);
  if (!passphrase) return passphrase.error();
  OpenOptions how{.decode = {.threads = options.common.threads},
                  .openpgp = {.passphrase = *passphrase, .limits = limits}};
  if (!options.required_signer) return how;
  auto signer = vmstream::RequiredSigner::find(*options.required_signer, limits);
  if (!signer) return signer.error();
  how.required_signer = std::move(*signer);
  return how;
}

Result<StateFile> open_state_file(const Options& options, const OpenOptions& how,
                                  const std::string& path, WaitLimits limits) {
  auto input = open_input(options, path, limits);
  if (!input) return input.error();
  return vmstream::open_state(std::move(*input), how);
}

Result<StateFile> open_to_restore(const Options& options, const OpenOptions& how,
                                  const std::string& path, WaitLimits limits) {
  auto state = open_state_file(options, how, path, limits);
  if (!state) return state;
  auto mapped = open_mapped(options, path);
  if (!mapped) return state;
  auto stream = UnmappedFile::open(std::move(*mapped));
  if (!stream) return stream.error();
  state->plain = std::move(*stream);
  return state;
}

bool wants_first_pass(const Options& options, const std::string& path) {
  if (options.verify_first) return true;
  return options.required_signer && options.file && path != "-" && vmstream::open_random_file(path);
}

vmstream::Status verify_if_wanted(const Options& options, const OpenOptions& how, Session& session,
                                  const std::string& path, WaitLimits limits) {
  if (!wants_first_pass(options, path)) return vmstream::ok();
  auto state = open_state_file(options, how, path, limits);
  if (!state) return state.error();
  vmtools::Progress progress(session, "verify");
  return vmstream::verify_stream(
      *state->plain, {}, {.on_progress = [&](const auto& counts) { progress.update(counts); }});
}

}  // namespace vmrestore
