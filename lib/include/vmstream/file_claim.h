// SPDX-License-Identifier: MIT
// A state file that may be used once: a guest that runs twice from one state destroys its disks.
#pragma once

#include <memory>
#include <string>

#include <vmstream/random_source.h>
#include <vmstream/result.h>

namespace vmstream {

/// The right to use a file once. The file's name tells how far that has come:
///
///   FILE             unused
///   FILE.restoring   claimed; if nobody is at work on it, it is unknown whether it was used
///   FILE.restored    used
///
/// Each step is one rename that replaces nothing, made under a lock on the file itself, so that of
/// any number of processes one gets the claim. The repair after a crash is a rename by hand.
class FileClaim {
 public:
  /// Claims the regular file at `path`. Errc::Refused where it is claimed or used, by whomever.
  static Result<FileClaim> take(const std::string& path);
  FileClaim(FileClaim&&) noexcept;
  /// Gives the claim back unless it was used up or abandoned.
  ~FileClaim();

  /// Where the file is to be found meanwhile.
  const std::string& claimed_path() const;
  /// The very file that was claimed, whatever its name leads to by now.
  Result<OpenedFile> file() const;

  /// The file has been used: its name says so from now on, on the disk too.
  Status use_up();
  /// Nobody can have used it: it gets its name back.
  Status give_back();
  /// It is unknown whether it was used: the name stays as it is.
  void abandon();

 private:
  struct State;
  explicit FileClaim(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace vmstream
