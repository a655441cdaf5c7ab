// SPDX-License-Identifier: MIT
#include "guest/monitor/message_framer.h"

#include <fmt/format.h>

#include <vmstream/text.h>

namespace vmstream {
namespace {

constexpr size_t kShownBytes = 40;

Error no_qmp(std::string_view found) {
  return Error{.code = Errc::Environment,
               .message = fmt::format("the monitor sent '{}', which is no QMP message",
                                      escape(found.substr(0, kShownBytes))),
               .hint = "is this QEMU's -qmp socket, and not a human monitor or a console?"};
}

}  // namespace

Result<std::optional<std::string>> MessageFramer::take() {
  if (scanned_ == 0) buffer_.erase(0, buffer_.find_first_not_of(" \t\r\n"));
  if (!buffer_.empty() && buffer_.front() != '{') return no_qmp(buffer_);
  while (scanned_ < buffer_.size()) {
    bool closed = step(buffer_[scanned_++]);
    if (depth_ > kMaxDepth) return no_qmp(buffer_);
    if (!closed) continue;
    std::string message = buffer_.substr(0, scanned_);
    buffer_.erase(0, std::exchange(scanned_, 0));
    return std::optional(std::move(message));
  }
  if (buffer_.size() > kMaxBytes) {
    return Error{Errc::Environment,
                 fmt::format("the monitor sent a message of more than {} bytes", kMaxBytes)};
  }
  return std::optional<std::string>();
}

bool MessageFramer::step(char byte) {
  if (in_string_) {
    if (!escaped_ && byte == '"') in_string_ = false;
    escaped_ = !escaped_ && byte == '\\';
    return false;
  }
  if (byte == '"') in_string_ = true;
  if (byte == '{' || byte == '[') ++depth_;
  if (byte == '}' || byte == ']') return --depth_ == 0;
  return false;
}

}  // namespace vmstream
