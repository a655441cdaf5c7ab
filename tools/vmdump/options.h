// SPDX-License-Identifier: MIT
// What vmdump is told to do.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <vmstream/capture.h>
#include <vmstream/codec.h>
#include <vmstream/state_writer.h>
#include "common/command_line.h"
#include "common/common_options.h"
#include "common/libvirt_options.h"

namespace vmdump {

/// A coding and its level, as in "zstd:19".
struct Compression {
  vmstream::Coding coding = vmstream::Coding::Zstd;
  std::optional<int> level = std::nullopt;  ///< default: the coding's own
};

/// What becomes of a live save whose file would become too large.
enum class OverSize { Finish, Fail };

struct Options {
  vmtools::CommonOptions common;

  // Where the stream comes from: one of the four.
  std::optional<std::string> qmp;
  std::optional<std::string> domain;  ///< of libvirt: [URI#]DOMAIN
  bool from_stdin = false;
  std::optional<std::string> from;             ///< a state file; "-" is stdin
  std::optional<std::string> required_signer;  ///< a key whose signature that file must carry

  // Where the file goes: one of the two. "-" is stdout.
  std::optional<std::string> output;
  std::optional<std::string> exec;
  std::optional<std::string> then;  ///< what publishes that which exec wrote aside
  bool force = false;
  std::optional<uint64_t> max_size;   ///< of the file
  std::optional<OverSize> over_size;  ///< default: Finish

  vmstream::FileForm form = vmstream::FileForm::Qevm;
  vmtools::LibvirtOptions domain_texts;
  std::optional<bool> runs;  ///< the guest of a libvirt image, once it is restored
  std::optional<Compression> compression;
  std::optional<std::string> filter;

  // OpenPGP around it, if any of the three is asked for.
  std::vector<std::string> recipients;
  bool symmetric = false;
  std::optional<std::string> signer;
  vmtools::PassphraseOptions passphrase;

  /// Whether there is a guest to talk to, by QMP or by libvirt.
  bool has_guest() const { return qmp || domain; }

  /// Whether each page has a place of its own in the file, whoever writes that.
  bool is_mapped() const { return mapped_ram || form == vmstream::FileForm::MappedRam; }
  bool is_openpgp() const { return is_encrypted() || signer; }
  bool is_encrypted() const { return !recipients.empty() || symmetric; }

  vmstream::CaptureMode mode = vmstream::CaptureMode::Stop;
  // Live saves only.
  std::optional<vmstream::ConvergenceRules> converge;
  std::optional<uint32_t> max_passes;
  std::optional<std::chrono::milliseconds> downtime_limit;
  bool auto_converge = false;

  std::optional<std::string> disk_folder;  ///< for snapshots of the disks

  bool with_secrets = false;  ///< passwords stay in the description of a domain

  vmstream::After after = vmstream::After::Keep;
  std::optional<uint64_t> max_bandwidth;
  std::optional<std::chrono::milliseconds> timeout;
  bool mapped_ram = false;  ///< QEMU writes the file itself
  bool direct_io = false;   ///< past the page cache
  bool compact = false;     ///< each page once
  bool no_index = false;    ///< leave out the index
  bool verify = false;      ///< read the file back before success is reported
  bool explain = false;
  bool dry_run = false;  ///< everything short of touching the guest
};

vmtools::ToolText tool_text();
void add_options(vmtools::CommandLine& line, Options& options);

/// Whether the options make sense together.
vmstream::Status check(const Options& options);

/// When a live save ends.
vmstream::ConvergenceRules convergence_rules(const Options& options);

/// What -c, or else the suffix of the output, asks for. Of no meaning with --filter.
Compression chosen_compression(const Options& options);

/// Whether the file is the plain stream, byte for byte.
bool is_plain(const Options& options);

/// Whether the file gets a digest of its own, for the summary.
bool is_digested(const Options& options);

/// The output in messages: its name, or "stdout"; empty with --exec, whose errors name the command.
std::string output_name(const Options& options);

}  // namespace vmdump
