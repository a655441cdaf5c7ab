// SPDX-License-Identifier: MIT
// The SHA-256 of what is written or read for another reason, so that nothing is read again.
#pragma once

#include <memory>
#include <string>

#include <vmstream/byte_sink.h>
#include <vmstream/byte_source.h>
#include <vmstream/digest.h>
#include <vmstream/result.h>

namespace vmstream {

/// Hands everything on, and computes the SHA-256 of it beside, on a thread of its own.
class DigestingSink final : public ByteSink {
 public:
  /// `next` is borrowed. With 1 of `threads` the digest is computed by the thread that writes.
  DigestingSink(ByteSink& next, size_t threads);
  ~DigestingSink() override;

  Status write(std::span<const std::byte> bytes) override;
  Status finish() override;
  std::span<std::byte> lend() override;
  Status commit(size_t count) override;

  /// After finish(); empty before.
  const std::string& sha256() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

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
