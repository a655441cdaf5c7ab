// SPDX-License-Identifier: MIT
#include "vmdump/destination.h"

#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <system_error>

#include <vmstream/command.h>
#include "common/terminal.h"

namespace vmdump {

using vmstream::ByteSink;
using vmstream::Errc;
using vmstream::Error;
using vmstream::OutputFile;
using vmstream::Overwrite;
using vmstream::quote_for_shell;
using vmstream::Result;
using vmstream::StateWriter;
using vmstream::Status;
using vmstream::WaitLimits;
using vmstream::WriteOptions;

namespace {

// With --json stdout belongs to the summary, and what a command prints goes to stderr.
int command_stdout(const Options& options) {
  return options.common.json ? STDERR_FILENO : STDOUT_FILENO;
}

Result<std::unique_ptr<ByteSink>> open_stdout(const Options& options, WaitLimits limits) {
  auto allowed = vmtools::refuse_binary_to_terminal(STDOUT_FILENO, options.force);
  if (!allowed) return allowed.error();
  return vmstream::make_fd_sink(STDOUT_FILENO, limits);
}

// A guest that stands still must not wait for somebody to type. With a signer as well, whose own
// passphrase is the agent's to know, it is gpg that asks.
Result<Passphrase> find_passphrase(const Options& options, const Passphrase& given,
                                   WaitLimits limits) {
  bool is_asked = !given && options.symmetric && !options.signer;
  return is_asked ? vmstream::ask_new_passphrase(limits) : given;
}

// What a signature is to call the file: the name that it will have, where there is one.
std::string signed_name(const Options& options) {
  std::string path = options.output.value_or("-");
  return path == "-" ? "" : path.substr(path.rfind('/') + 1);
}

Result<vmstream::OpenPgpWriteOptions> openpgp_options(const Options& options,
                                                      const Passphrase& given, WaitLimits limits) {
  auto passphrase = find_passphrase(options, given, limits);
  if (!passphrase) return passphrase.error();
  return vmstream::OpenPgpWriteOptions{.recipients = options.recipients,
                                       .symmetric = options.symmetric,
                                       .signer = options.signer,
                                       .file_name = signed_name(options),
                                       .passphrase = *passphrase,
                                       .limits = limits};
}

Result<WriteOptions> write_options(const Options& options, const Supplies& supplies,
                                   WaitLimits limits) {
  auto [coding, level] = chosen_compression(options);
  WriteOptions write{.form = options.form,
                     .coding = coding,
                     .level = level,
                     .filter = options.filter,
                     .indexed = !options.no_index,
                     .must_read_back = options.verify,
                     .digest = is_digested(options),
                     .most_bytes = options.max_size,
                     .threads = options.common.threads,
                     .limits = limits};
  write.libvirt = supplies.libvirt;
  if (!options.is_openpgp()) return write;
  auto openpgp = openpgp_options(options, supplies.passphrase, limits);
  if (!openpgp) return openpgp.error();
  write.openpgp = std::move(*openpgp);
  return write;
}

// What is read again, or written by position, must be a regular file.
Status check_suited(const Options& options, const OutputFile& file) {
  bool needs_file = options.verify || options.compact || options.mapped_ram ||
                    options.form != vmstream::FileForm::Qevm;
  if (!needs_file || !file.is_in_place()) return vmstream::ok();
  return Error{Errc::Usage, "--verify, --compact, --to and --mapped-ram need a regular file"};
}

Result<StateWriter> open_file(const Options& options, const Supplies& supplies, WaitLimits limits) {
  auto overwrite = options.force ? Overwrite::Replace : Overwrite::Refuse;
  auto file = OutputFile::create(*options.output, overwrite, limits);
  if (!file) return file.error();
  if (auto suited = check_suited(options, **file); !suited) return suited.error();
  auto write = write_options(options, supplies, limits);
  if (!write) return write.error();
  return StateWriter::create(std::move(*file), std::move(*write));
}

Result<StateWriter> open_elsewhere(const Options& options, const Supplies& supplies,
                                   WaitLimits limits) {
  auto opened = options.exec
                    ? vmstream::make_command_sink(*options.exec, command_stdout(options), limits)
                    : open_stdout(options, limits);
  if (!opened) return opened.error();
  auto write = write_options(options, supplies, limits);
  if (!write) return write.error();
  return StateWriter::create(std::move(*opened), std::move(*write));
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

Destination::Destination(const Options& options, StateWriter writer, WaitLimits limits)
    : by_command_(options.exec.has_value()),
      with_disks_(options.disk_folder.has_value()),
      then_(options.then),
      command_stdout_(command_stdout(options)),
      limits_(limits),
      writer_(std::move(writer)) {}

Result<Destination> Destination::open(const Options& options, const Supplies& supplies,
                                      WaitLimits limits) {
  bool to_file = options.output && *options.output != "-";
  auto writer =
      to_file ? open_file(options, supplies, limits) : open_elsewhere(options, supplies, limits);
  if (!writer) return writer.error();
  return Destination(options, std::move(*writer), limits);
}

Status Destination::rehearse(const Options& options, const Supplies& supplies, WaitLimits limits) {
  auto opened = open(without_commands(options), supplies, limits);
  return opened ? vmstream::ok() : Status(opened.error());
}

// The stream is on its way through stdout, or where --exec put it: what fails now fails a save
// whose bytes are all there.
Status Destination::publish_elsewhere() const {
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

Status Destination::publish() {
  return writer_.file() ? writer_.publish() : publish_elsewhere();
}

namespace {

std::string compression_recipe(const Options& options) {
  if (options.filter) return *options.filter;
  auto [coding, level] = chosen_compression(options);
  if (coding == vmstream::Coding::None) return "cat";
  const auto& traits = vmstream::traits_of(coding);
  return fmt::format("{} -{} -c", traits.name, level.value_or(traits.default_level));
}

// gpg takes an address for a part of one, unless it stands in brackets.
std::string key_recipe(const std::string& key) {
  bool is_bare_address = key.find('@') != std::string::npos && !key.starts_with('<');
  return quote_for_shell(is_bare_address ? "<" + key + ">" : key);
}

std::string openpgp_recipe(const Options& options) {
  std::string recipe = "gpg -q --compress-algo none";
  if (options.signer) recipe += " -s -u " + key_recipe(*options.signer);
  if (options.symmetric) recipe += " -c";
  if (!options.recipients.empty()) recipe += " -e";
  for (const std::string& key : options.recipients) recipe += " -r " + key_recipe(key);
  return recipe;
}

}  // namespace

std::string output_recipe(const Options& options) {
  if (options.mapped_ram) return *options.output;
  if (options.form != vmstream::FileForm::Qevm) {
    return fmt::format("vmdump --from - --to {} ... -o {}", name_of(options.form),
                       quote_for_shell(*options.output));
  }
  std::string recipe = compression_recipe(options);
  if (options.is_openpgp()) recipe += " | " + openpgp_recipe(options);
  if (options.exec) return fmt::format("{} | {}", recipe, *options.exec);
  if (*options.output == "-") return recipe;
  return fmt::format("{} > {}", recipe, quote_for_shell(*options.output));
}

}  // namespace vmdump
