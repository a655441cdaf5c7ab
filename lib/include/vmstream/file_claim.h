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
/// any number of processes one gets the claim. The file is claimed, not its name: links are
/// followed, and a mark in the file (an extended attribute) tells by its other names too. The
/// repair after a crash is a rename by hand, of a file that has no other name.
class FileClaim {
 public:
  /// Claims the regular file that `path` leads to. Errc::Refused where it is claimed or used, or
  /// being restored by whomever, and where it has several names and cannot be marked.
  static Result<FileClaim> take(const std::string& path);
  /// Goes on with the claim on FILE.restoring that a process which has ended has left; use_up() is
  /// all there is to do with it.
  static Result<FileClaim> take_over(const std::string& path);
  /// Whether `path` leads to a FILE.restoring.
  static bool is_claimed_name(const std::string& path);
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

/// The right to use a file that nobody has claimed, beside others who do so: as long as it lasts
/// nobody can claim the file.
class FileShare {
 public:
  /// Errc::Refused where the file that `path` leads to is claimed or used, or is missing because of
  /// that. Anything but a regular file cannot be claimed, and is not looked at; what else is
  /// missing is told by who opens it.
  static Result<FileShare> take(const std::string& path);
  FileShare(FileShare&&) noexcept;
  ~FileShare();

  /// Whether it is a regular file.
  bool holds_file() const { return state_ != nullptr; }
  /// The very file, whatever its name leads to by now. Errc::Usage for anything but a regular one.
  Result<OpenedFile> file() const;

 private:
  struct State;
  explicit FileShare(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace vmstream
