// SPDX-License-Identifier: MIT
// The way on which libvirt hands over what it dumps.
#pragma once

#include <optional>
#include <string>

#include <vmstream/result.h>
#include "base/unique_fd.h"
#include "guest/capture/survivor.h"
#include "guest/migration/private_folder.h"

namespace vmstream {

/// A FIFO that nobody but this user finds. From the start it has a reader, without whom libvirt
/// would wait at its door, holding the domain; and until close_door() a writer, so that it has no
/// end before libvirt has one. Should this process be killed somebody else reads on: so libvirt
/// comes to the end, and lets the domain run again.
class DumpFifo {
 public:
  static Result<DumpFifo> create();

  const std::string& path() const { return folder_.place(); }
  int descriptor() const { return reader_.get(); }
  /// From here on the end comes when libvirt's writer has gone.
  void close_door() { door_.reset(); }
  /// Somebody else reads on now, to nowhere.
  void leave() { drain_->take_over(); }
  /// Nobody reads on: whoever writes has failed.
  void hang_up() {
    drain_.reset();
    door_.reset();
    reader_.reset();
  }

 private:
  DumpFifo(PrivateFolder folder, UniqueFd reader, UniqueFd door, Survivor drain)
      : folder_(std::move(folder)),
        reader_(std::move(reader)),
        door_(std::move(door)),
        drain_(std::move(drain)) {}

  PrivateFolder folder_;
  UniqueFd reader_;
  UniqueFd door_;
  std::optional<Survivor> drain_;
};

}  // namespace vmstream
