// SPDX-License-Identifier: MIT
// The digest of a file that is read for another reason.
#pragma once

#include <memory>
#include <string>

#include <vmstream/byte_source.h>
#include <vmstream/digest.h>
#include <vmstream/result.h>

namespace vmstream {

/// Owns the source of a file and sees its bytes on their way to whoever reads it, so that nothing
/// is read twice. Used by one thread at a time.
class FileDigest {
 public:
  explicit FileDigest(std::unique_ptr<ByteSource> file);
  ~FileDigest();
  FileDigest(const FileDigest&) = delete;
  FileDigest& operator=(const FileDigest&) = delete;

  /// The bytes of the file; borrows this object, which must outlive it. To be called once.
  std::unique_ptr<ByteSource> source();
  /// The digest is not wanted after all: bytes go by unseen from now on.
  void stop();
  /// Reads what nobody has read yet, to the file's end, and gives the digest of all of it. Whoever
  /// read by source() must have been destroyed. Call once, and not after stop().
  Result<std::string> finish();

 private:
  class Watched;
  std::unique_ptr<ByteSource> file_;
  Sha256 digest_;
  bool wanted_ = true;
};

}  // namespace vmstream
