// SPDX-License-Identifier: MIT
// A stream that comes without a monitor: on stdin, or out of a state file that is made into
// another.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <vmstream/file_claim.h>
#include <vmstream/state_file.h>
#include <vmstream/verification.h>
#include "common/tool.h"
#include "vmdump/destination.h"
#include "vmdump/options.h"
#include "vmdump/save_observer.h"

namespace vmdump {

/// Of a state file, the stream that a QEMU could be sent, judged on its way: it ends well only if
/// the file has proved sound, whatever it is wrapped in. Nobody can claim the file meanwhile.
class Arrival {
 public:
  /// `passphrase` opens an encrypted file; null: gpg's agent knows it. A mapped-ram file, which the
  /// stream is made of, is read whole at first: `observer` is told.
  static vmstream::Result<Arrival> open(const Options& options, const Passphrase& passphrase,
                                        SaveObserver& observer, vmstream::WaitLimits limits);

  vmstream::ByteSource& stream() { return *stream_; }
  /// In messages.
  static std::string name(const Options& options);
  /// The layers around it; none on stdin.
  std::vector<vmstream::Container> containers() const;

  /// Of the domain that was saved, as the file's index has it.
  const std::optional<std::string>& domain_xml() const { return domain_xml_; }

  /// Enters into the index of what was read how the guest was captured, as the file's own index has
  /// it, provided that this one is of the same guest.
  void describe(vmstream::StateIndex& index) const;
  /// Of a disk image that holds the stream in a snapshot, what should be known of it.
  void tell_of_image(vmtools::Session& session, const std::string& name);
  /// After the good end: what a person should know of the file.
  void tell(vmtools::Session& session, const std::string& name) const;

 private:
  Arrival() = default;

  std::optional<vmstream::FileShare> share_;
  std::optional<vmstream::StateFile> file_;
  // Of the file's own index.
  std::optional<vmstream::StateFacts> facts_;
  std::optional<std::string> domain_xml_;
  std::unique_ptr<vmstream::ByteSource> stream_;
  const vmstream::VerifiedSource* verified_ = nullptr;  // the same, of a file
};

}  // namespace vmdump
