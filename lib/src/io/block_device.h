// SPDX-License-Identifier: MIT
// A file on a block device, which has no end of its own and held something else before.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include <vmstream/cancellation.h>
#include <vmstream/output_file.h>
#include "base/unique_fd.h"

namespace vmstream {

/// Takes one file, from the front of the device on.
///
/// From the first write() on the device holds nothing that could be read until finish(): its first
/// bytes are zero and are written last, so that a file that was cut, with an older one behind it,
/// is never taken for whole. Behind the file stand zeros, of a zstd file skippable frames up to the
/// device's end, so that no tool reads on into what the device held before; and in its last bytes a
/// mark that tells where the file ends.
class BlockDevice {
 public:
  /// Errc::Refused for a device that is in use (mounted, or part of something), and with
  /// Overwrite::Refuse for one whose first and last MiB are not all zero.
  static Result<BlockDevice> open(const std::string& path, Overwrite overwrite);

  Status write(std::span<const std::byte> bytes, const WaitLimits& limits);
  /// Ends the file, syncs it, and then makes it readable.
  Status finish();

  int descriptor() const { return fd_.get(); }

 private:
  BlockDevice(UniqueFd fd, uint64_t length) : fd_(std::move(fd)), length_(length) {}
  Status check_empty() const;
  Status begin();
  Status clear_front();
  Status keep_others_from_reading_on();
  Status mark_end();
  Status sync() const;

  UniqueFd fd_;
  uint64_t length_;               // of the device
  uint64_t written_ = 0;          // of the file
  std::vector<std::byte> front_;  // of the file, not on the device yet
};

/// How long the file is that a block device of `length` bytes holds, where a mark tells and fits
/// what is there.
std::optional<uint64_t> find_marked_end(int fd, uint64_t length);

}  // namespace vmstream
