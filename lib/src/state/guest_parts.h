// SPDX-License-Identifier: MIT
// The files of a guest that was sent through several connections.
#pragma once

#include <string>
#include <vector>

#include <vmstream/random_source.h>
#include <vmstream/state_file.h>
#include "state/unwrapping.h"

namespace vmstream {

/// The files, each opened once; a plain value. What each of them is, is told by its first bytes.
class GuestParts {
 public:
  /// Errc::Usage for a file that can be read once only: each is read again for every stream.
  static Result<GuestParts> open(const std::vector<std::string>& paths);

  /// The guest's stream, see make_joined_source(); its containers are "multifd" or
  /// "postcopy-preempt", and those of the main stream. Errc::Usage for two main streams,
  /// Errc::Malformed where there is none, or nothing else.
  Result<UnwrappedStream> join(const OpenOptions& options) const;

 private:
  struct Part {
    std::string name;
    OpenedFile file;
  };

  std::vector<Part> parts_;
};

}  // namespace vmstream
