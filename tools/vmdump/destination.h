// SPDX-License-Identifier: MIT
// Where a save goes: the file, stdout or a command; and the way there as a shell would take it.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include <vmstream/state_writer.h>
#include "vmdump/options.h"

namespace vmdump {

using Passphrase = std::shared_ptr<const vmstream::Secret>;

/// What the options only name.
struct Supplies {
  Passphrase passphrase = nullptr;                                ///< null if there is none
  std::optional<vmstream::LibvirtDomain> libvirt = std::nullopt;  ///< for --to libvirt
};

/// A file, stdout or a command, and the writer of the state file into it. Destroyed without
/// publish(), it leaves no file and ends its commands before they could take a cut input for whole.
class Destination {
 public:
  /// Opens everything, from the far end on; nothing has been asked of the guest yet.
  static vmstream::Result<Destination> open(const Options& options, const Supplies& supplies,
                                            vmstream::WaitLimits limits);
  /// Whether open() would succeed, as far as that can be told without running the commands of the
  /// options or waiting for a reader.
  static vmstream::Status rehearse(const Options& options, const Supplies& supplies,
                                   vmstream::WaitLimits limits);

  vmstream::StateWriter& writer() { return writer_; }
  const vmstream::StateWriter& writer() const { return writer_; }

  /// After the writer's entrance has been finished: makes the file durable and visible, or runs the
  /// command that does it elsewhere.
  vmstream::Status publish();

 private:
  Destination(const Options& options, vmstream::StateWriter writer, vmstream::WaitLimits limits);
  vmstream::Status publish_elsewhere() const;

  bool by_command_;                  // there is no file
  bool with_disks_;                  // which a failure merges back, past what was saved of them
  std::optional<std::string> then_;  // a command
  int command_stdout_;
  vmstream::WaitLimits limits_;
  vmstream::StateWriter writer_;
};

/// The commands that compress and encrypt their standard input, and where to: "zstd -3 -c >
/// guest.zst". With --mapped-ram, where nothing passes through, the file alone.
std::string output_recipe(const Options& options);

}  // namespace vmdump
