// SPDX-License-Identifier: MIT
// A passphrase: read once, wiped when it goes.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include <vmstream/cancellation.h>
#include <vmstream/result.h>

namespace vmstream {

/// A passphrase in memory of its own, which is overwritten with zeros before it is given back.
///
/// Shared, never copied: whoever may need it holds a pointer. It appears in no message. The first
/// line counts, without its line end, as gpg has it; lines of more than 1023 bytes are refused.
class Secret {
 public:
  /// From the front of a file.
  static Result<std::shared_ptr<const Secret>> read_file(const std::string& path,
                                                         WaitLimits limits = {});
  /// From a descriptor, which stays open. Takes no byte behind the line's end.
  static Result<std::shared_ptr<const Secret>> read_fd(int borrowed_fd, WaitLimits limits = {});

  Secret();
  Secret(const Secret&) = delete;
  Secret& operator=(const Secret&) = delete;
  ~Secret();

  /// The passphrase, without a line end. Lives as long as this object.
  std::string_view text() const { return {bytes_.get(), length_}; }

 private:
  std::unique_ptr<char[]> bytes_;
  size_t length_ = 0;
};

}  // namespace vmstream
