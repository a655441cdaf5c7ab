// SPDX-License-Identifier: MIT
// Who reads a stream to its end when this process cannot.
#pragma once

#include "base/unique_fd.h"
#include "io/child_process.h"

namespace vmstream {

/// A process that waits for the end of this one, however it comes, and then reads the stream into
/// nowhere. A guest that QEMU releases only at the good end of its stream so survives SIGKILL. The
/// destructor ends it: then the stream has been read, or need not be.
class StreamDrain {
 public:
  /// `stream` is borrowed.
  static Result<StreamDrain> start(int stream);

  /// Begins to read; goes on behind the end of this process.
  void take_over();

 private:
  StreamDrain(UniqueFd alive, ChildProcess reader)
      : alive_(std::move(alive)), reader_(std::move(reader)) {}

  UniqueFd alive_;  // its close, by us or by the kernel, is the sign
  ChildProcess reader_;
};

}  // namespace vmstream
