// SPDX-License-Identifier: MIT
// The way from the plain stream to where its compressed form stays.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include <vmstream/byte_sink.h>
#include <vmstream/digesting_sink.h>
#include <vmstream/output_file.h>
#include <vmstream/state_file.h>
#include <vmstream/state_index.h>
#include "vmdump/options.h"

namespace vmdump {

/// entrance -> encoder or filter -> OpenPGP -> file, stdout or command. Destroyed without
/// publish(), it leaves no file and ends its commands before they could take a cut input for whole.
class OutputChain {
 public:
  /// Opens everything, from the far end on; nothing has been asked of the guest yet.
  static vmstream::Result<OutputChain> open(const Options& options, vmstream::WaitLimits limits);
  /// Whether open() would succeed, as far as that can be told without running the commands of the
  /// options or waiting for a reader.
  static vmstream::Status rehearse(const Options& options, vmstream::WaitLimits limits);
  OutputChain(OutputChain&&) noexcept;
  ~OutputChain();

  /// Takes the plain stream.
  vmstream::ByteSink& entrance();

  /// The file, for one who writes it instead of entrance(). The output is one.
  vmstream::OutputFile& file() { return *file_; }

  /// Before entrance().finish(), where gathers_index(): what goes behind the blocks, or beside the
  /// file.
  void set_index(vmstream::StateIndex index);
  /// After publish(): leaves the index, if there is one, beside a file whose form has no place for
  /// it. Nothing of that name is replaced but, where that is wanted, an index.
  vmstream::Status leave_index_beside(vmstream::Overwrite overwrite) const;

  /// After entrance().finish(): the file as it is on the disk. Errc::Unsupported without a file.
  vmstream::Result<std::unique_ptr<vmstream::ByteSource>> read_back();
  /// How to open what is read back.
  const vmstream::OpenOptions& how_to_open() const { return how_to_open_; }
  /// After entrance().finish(): makes the file durable and visible, or runs the command that does
  /// it elsewhere.
  vmstream::Status publish();

  /// Bytes that have arrived at the far end.
  uint64_t bytes_written() const;
  /// Their SHA-256, after entrance().finish(); empty unless it was asked for (is_digested()).
  std::string sha256() const { return digest_ ? digest_->sha256() : std::string(); }

 private:
  class CountingSink;
  OutputChain();

  void set_target(const Options& options, vmstream::ByteSink& far_end);
  vmstream::Status publish_elsewhere() const;
  vmstream::Status open_openpgp(const Options& options, vmstream::WaitLimits limits);

  bool by_command_ = false;          // elsewhere_ is one
  bool with_disks_ = false;          // which a failure merges back, past what was saved of them
  std::optional<std::string> then_;  // a command
  int command_stdout_ = -1;
  vmstream::WaitLimits limits_;
  vmstream::OpenOptions how_to_open_;
  // Each stage writes into the one before it in this list, and so is destroyed before it.
  std::unique_ptr<std::optional<vmstream::StateIndex>> index_;  // the encoder asks for it
  std::unique_ptr<vmstream::OutputFile> file_;
  std::unique_ptr<vmstream::ByteSink> elsewhere_;  // stdout or a command
  std::unique_ptr<vmstream::DigestingSink> digest_;
  std::unique_ptr<CountingSink> target_;
  std::unique_ptr<vmstream::ByteSink> openpgp_;
  std::unique_ptr<vmstream::ByteSink> coder_;
};

}  // namespace vmdump
