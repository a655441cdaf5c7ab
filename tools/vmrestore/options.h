// SPDX-License-Identifier: MIT
// What vmrestore is told to do.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include <vmstream/container.h>
#include <vmstream/restore.h>
#include <vmstream/state_writer.h>
#include "common/command_line.h"
#include "common/common_options.h"
#include "common/libvirt_options.h"

namespace vmrestore {

/// What a lazy restore sends without being asked: by default the working set if there is one, then
/// the rest.
enum class Prefetch { None, Sequential, WorkingSet };

struct Options {
  vmtools::CommonOptions common;

  // Where the file comes from: one of the two. "-" is stdin.
  std::optional<std::string> file;
  std::vector<std::string> parts;  ///< with --multifd: more files of the same guest
  std::optional<std::string> exec;

  bool multifd = false;            ///< the words are parts of one guest
  std::vector<std::string> words;  ///< [FILE...], as given

  // Where the plain stream goes: at most one of the four; by default to stdout.
  std::optional<std::string> output;
  std::optional<std::string> qmp;
  vmstream::FileForm form = vmstream::FileForm::Qevm;  ///< of output
  vmtools::LibvirtOptions domain_texts;
  std::vector<std::string> qemu;       ///< the command line behind "--"
  std::optional<std::string> libvirt;  ///< a connection, or "" for libvirt's default
  bool force = false;

  bool verify_first = false;                   ///< read all of FILE before anything is handed on
  std::optional<std::string> required_signer;  ///< a key whose signature FILE must carry
  vmtools::PassphraseOptions passphrase;
  bool write_disks = false;  ///< sections with contents of disks are restored
  bool accept_damaged_description = false;
  bool once = false;  ///< claim FILE: it brings one guest back, once
  vmstream::RunState run_state = vmstream::RunState::AsSaved;
  bool set_clock = false;            ///< the guest's, once it runs
  std::optional<std::string> agent;  ///< socket of the guest agent that does it
  std::optional<std::chrono::milliseconds> timeout;
  bool explain = false;

  std::optional<std::string> into;  ///< IMAGE#NAME that the loaded guest is saved in

  std::optional<std::string> map;  ///< memory is mapped: "" through a view, or "copy"

  bool lazy = false;         ///< the guest runs before its memory is there
  bool resume_lazy = false;  ///< go on with such a restore that broke off
  std::optional<Prefetch> prefetch;
  std::optional<std::string> working_set;  ///< file of the pages that are asked for first
  std::optional<uint64_t> max_bandwidth;   ///< of pages that nobody asked for

  /// Whether there is a guest to come back, behind whatever monitor.
  bool has_guest() const { return qmp || !qemu.empty() || libvirt; }
  bool to_stdout() const { return !has_guest() && output.value_or("-") == "-"; }
};

vmtools::ToolText tool_text();
void add_options(vmtools::CommandLine& line, Options& options);

/// Sorts the words of a parsed line into file and parts.
vmstream::Status read_words(Options& options);

/// Whether the options make sense together.
vmstream::Status check(const Options& options);

/// The run state that is asked for: "as saved" is what the containers around the stream say, where
/// they do.
vmstream::RunState wanted_run_state(const Options& options,
                                    const std::vector<vmstream::Container>& containers);

/// The input in messages: its name, or "stdin"; empty with --exec, whose errors name the command.
std::string input_name(const Options& options);

}  // namespace vmrestore
