// SPDX-License-Identifier: MIT
#include "vmdump/output_chain.h"

#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <system_error>

#include <vmstream/command.h>
#include <vmstream/seekable_state.h>
#include <vmstream/sidecar.h>
#include <vmstream/text.h>
#include "common/terminal.h"

namespace vmdump {

using vmstream::BlockTable;
using vmstream::ByteSink;
using vmstream::Coding;
using vmstream::Errc;
using vmstream::Error;
using vmstream::OutputFile;
using vmstream::Overwrite;
using vmstream::Result;
using vmstream::StateIndex;
using vmstream::Status;
using vmstream::WaitLimits;

// Counts what goes to the far end, and bounds it; lends the far end's memory on.
class OutputChain::CountingSink final : public ByteSink {
 public:
  CountingSink(ByteSink& next, std::optional<uint64_t> most) : next_(next), most_(most) {}

  Status write(std::span<const std::byte> bytes) override {
    if (auto fits = take(bytes.size()); !fits) return fits;
    return next_.write(bytes);
  }
  Status finish() override { return next_.finish(); }
  std::span<std::byte> lend() override { return next_.lend(); }
  Status commit(size_t count) override {
    if (auto fits = take(count); !fits) return fits;
    return next_.commit(count);
  }

  uint64_t count() const { return count_; }

 private:
  Status take(size_t count) {
    count_ += count;
    if (!most_ || count_ <= *most_) return vmstream::ok();
    return Error{Errc::Environment, fmt::format("the file would become larger than {}",
                                                vmstream::format_size(*most_))};
  }

  ByteSink& next_;
  std::optional<uint64_t> most_;
  uint64_t count_ = 0;
};

namespace {

// With --json stdout belongs to the summary, and what a command prints goes to stderr.
int command_stdout(const Options& options) {
  return options.common.json ? STDERR_FILENO : STDOUT_FILENO;
}

Result<std::unique_ptr<ByteSink>> open_command(const Options& options, WaitLimits limits) {
  return vmstream::make_command_sink(*options.exec, command_stdout(options), limits);
}

Result<std::unique_ptr<ByteSink>> open_stdout(const Options& options, WaitLimits limits) {
  auto allowed = vmtools::refuse_binary_to_terminal(STDOUT_FILENO, options.force);
  if (!allowed) return allowed.error();
  return vmstream::make_fd_sink(STDOUT_FILENO, limits);
}

// A guest that stands still must not wait for somebody to type. With a signer as well, whose own
// passphrase is the agent's to know, it is gpg that asks.
Result<std::shared_ptr<const vmstream::Secret>> find_passphrase(const Options& options,
                                                                WaitLimits limits) {
  auto given = vmtools::read_passphrase(options.passphrase, limits);
  bool is_asked = given && !*given && options.symmetric && !options.signer;
  return is_asked ? vmstream::ask_new_passphrase(limits) : given;
}

// A zstd file tells its blocks by its seek table.
Result<std::vector<std::byte>> make_index(const std::optional<StateIndex>& index, Coding coding,
                                          const BlockTable& blocks) {
  if (!index) return Error{Errc::Usage, "the file was finished before its index was known"};
  return vmstream::serialise(*index, {.blocks = coding == Coding::Gzip ? &blocks : nullptr});
}

Result<std::unique_ptr<ByteSink>> open_coder(const Options& options, ByteSink& next,
                                             const std::optional<StateIndex>& index,
                                             WaitLimits limits) {
  if (options.filter) return vmstream::make_filter_sink(*options.filter, next, limits);
  auto [coding, level] = chosen_compression(options);
  if (coding == vmstream::Coding::None) return std::unique_ptr<ByteSink>();
  vmstream::EncodeOptions encode{
      .level = level, .threads = options.common.threads, .limits = limits};
  if (gathers_index(options)) {
    encode.index = [&index, coding = coding](const BlockTable& blocks) {
      return make_index(index, coding, blocks);
    };
  }
  return vmstream::make_encoder(coding, next, std::move(encode));
}

// What a signature is to call the file: the name that it will have, where there is one.
std::string signed_name(const Options& options) {
  std::string path = options.output.value_or("-");
  return path == "-" ? "" : path.substr(path.rfind('/') + 1);
}

// What is read again, or written by position, must be a regular file.
Status check_suited(const Options& options, const OutputFile& file) {
  if (!file.is_in_place() || !(options.verify || options.compact || options.mapped_ram)) {
    return vmstream::ok();
  }
  return Error{Errc::Usage, "--verify, --compact and --mapped-ram need a regular file"};
}

// What they do could be seen.
Options without_commands(Options options) {
  std::error_code none;
  bool is_fifo = options.output && std::filesystem::is_fifo(*options.output, none);
  if (options.exec || is_fifo) {
    options.exec = "exec cat > /dev/null";
    options.output.reset();
  }
  if (options.filter) options.filter = "exec cat";
  return options;
}

// Stdout may be a file of the shell's, which is as good as one of ours: it must reach the disk.
Status sync_stdout() {
  if (::fsync(STDOUT_FILENO) == 0 || errno == EINVAL || errno == EROFS) return vmstream::ok();
  return vmstream::system_error("fsync", errno);
}

}  // namespace

OutputChain::OutputChain() : index_(std::make_unique<std::optional<StateIndex>>()) {}
OutputChain::OutputChain(OutputChain&&) noexcept = default;
OutputChain::~OutputChain() = default;

// Looks up the keys too. What is to be read back must be readable here.
Status OutputChain::open_openpgp(const Options& options, WaitLimits limits) {
  auto passphrase = find_passphrase(options, limits);
  if (!passphrase) return passphrase.error();
  vmstream::OpenPgpWriteOptions openpgp{.recipients = options.recipients,
                                        .symmetric = options.symmetric,
                                        .signer = options.signer,
                                        .file_name = signed_name(options),
                                        .passphrase = *passphrase,
                                        .limits = limits};
  how_to_open_.openpgp = {*passphrase, limits};
  auto message = vmstream::make_openpgp_sink(*target_, openpgp);
  if (!message) return message.error();
  openpgp_ = std::move(*message);
  return options.verify ? vmstream::check_readable(openpgp) : vmstream::ok();
}

void OutputChain::set_target(const Options& options, ByteSink& far_end) {
  if (is_digested(options)) {
    digest_ = std::make_unique<vmstream::DigestingSink>(far_end, options.common.threads);
  }
  ByteSink& next = digest_ ? static_cast<ByteSink&>(*digest_) : far_end;
  target_ = std::make_unique<CountingSink>(next, options.max_size);
}

Result<OutputChain> OutputChain::open(const Options& options, WaitLimits limits) {
  OutputChain chain;
  chain.how_to_open_.decode = {.threads = options.common.threads, .limits = limits};
  if (options.output && *options.output != "-") {
    auto overwrite = options.force ? Overwrite::Replace : Overwrite::Refuse;
    auto file = OutputFile::create(*options.output, overwrite, limits);
    if (!file) return file.error();
    if (auto suited = check_suited(options, **file); !suited) return suited.error();
    chain.file_ = std::move(*file);
    chain.set_target(options, *chain.file_);
  } else {
    auto opened = options.exec ? open_command(options, limits) : open_stdout(options, limits);
    if (!opened) return opened.error();
    chain.elsewhere_ = std::move(*opened);
    chain.by_command_ = options.exec.has_value();
    chain.with_disks_ = options.disk_folder.has_value();
    chain.then_ = options.then;
    chain.command_stdout_ = command_stdout(options);
    chain.limits_ = limits;
    chain.set_target(options, *chain.elsewhere_);
  }
  if (options.is_openpgp()) {
    if (auto opened = chain.open_openpgp(options, limits); !opened) return opened.error();
  }
  ByteSink* next = chain.target_.get();
  if (chain.openpgp_) next = chain.openpgp_.get();
  auto coder = open_coder(options, *next, *chain.index_, limits);
  if (!coder) return coder.error();
  chain.coder_ = std::move(*coder);
  return chain;
}

Status OutputChain::rehearse(const Options& options, WaitLimits limits) {
  auto opened = open(without_commands(options), limits);
  return opened ? vmstream::ok() : Status(opened.error());
}

void OutputChain::set_index(StateIndex index) {
  *index_ = std::move(index);
}

Status OutputChain::leave_index_beside(Overwrite overwrite) const {
  if (!*index_) return vmstream::ok();
  auto written = vmstream::open_random_file(file_->path());
  if (!written) return written.error();
  auto mark = vmstream::FileMark::of(**written);
  if (!mark) return mark.error();
  auto bytes = vmstream::serialise(**index_, {.mark = &*mark});
  if (!bytes) return bytes.error();
  return vmstream::publish_sidecar(vmstream::sidecar_path(file_->path()), *bytes, overwrite);
}

ByteSink& OutputChain::entrance() {
  if (coder_) return *coder_;
  if (openpgp_) return *openpgp_;
  return *target_;
}

Result<std::unique_ptr<vmstream::ByteSource>> OutputChain::read_back() {
  if (file_) return file_->read_back();
  return vmstream::Error{vmstream::Errc::Unsupported, "there is no file to read back"};
}

// The stream is on its way through stdout, or where --exec put it: what fails now fails a save
// whose bytes are all there.
Status OutputChain::publish_elsewhere() const {
  if (auto synced = sync_stdout(); !synced) return synced;
  if (!by_command_) return vmstream::await_reader(STDOUT_FILENO, limits_);
  if (!then_) return vmstream::ok();
  auto done = vmstream::run_command(*then_, command_stdout_, limits_);
  if (done) return done;
  Error error = done.error();
  error.message = "the command of --exec has taken everything, but --then failed: " + error.message;
  error.hint = with_disks_ ? "what was written aside is whole, but its disks are gone: save again"
                           : "what was written aside is whole; publish it by hand, or save again";
  return error;
}

Status OutputChain::publish() {
  if (!file_) return publish_elsewhere();
  return file_->commit_file();
}

uint64_t OutputChain::bytes_written() const {
  return target_->count();
}

}  // namespace vmdump
