// SPDX-License-Identifier: MIT
// Cuts the monitor's byte stream into JSON objects.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include <vmstream/result.h>

namespace vmstream {

/// Finds where each object ends by its brackets, not by lines: a monitor with pretty=on spreads an
/// object over many. Size and nesting are bounded, because the text comes from outside.
class MessageFramer {
 public:
  static constexpr size_t kMaxBytes = 16u << 20;  ///< query answers have some 100 KiB
  static constexpr int kMaxDepth = 128;           ///< QMP itself nests about ten deep

  void append(std::string_view bytes) { buffer_ += bytes; }
  /// The next whole object; nothing while it is not all there.
  Result<std::optional<std::string>> take();

 private:
  // Moves on by one byte; true behind the bracket that closes the object.
  bool step(char byte);

  std::string buffer_;
  size_t scanned_ = 0;
  int depth_ = 0;
  bool in_string_ = false;
  bool escaped_ = false;
};

}  // namespace vmstream
