// SPDX-License-Identifier: MIT
#include <vmstream/openpgp.h>

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <span>

#include "base/unique_fd.h"
#include "io/fd.h"

namespace vmstream {
namespace {

constexpr size_t kMostBytes = 1023;

}  // namespace

Secret::Secret() : bytes_(std::make_unique<char[]>(kMostBytes + 1)) {}

Secret::~Secret() {
  ::explicit_bzero(bytes_.get(), kMostBytes + 1);
}

Result<std::shared_ptr<const Secret>> Secret::read_file(const std::string& path,
                                                        WaitLimits limits) {
  // The first read waits for a FIFO's writer, within the limits.
  UniqueFd file(::open(path.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC));
  if (!file.is_open()) return system_error("open", errno);
  return read_fd(file.get(), limits);
}

// A byte at a time: what stands behind the line may be somebody else's.
Result<std::shared_ptr<const Secret>> Secret::read_fd(int borrowed_fd, WaitLimits limits) {
  auto secret = std::make_shared<Secret>();
  for (;;) {
    char* next = secret->bytes_.get() + secret->length_;
    auto count = read_some(borrowed_fd, std::as_writable_bytes(std::span(next, 1)), limits);
    if (!count) return count.error();
    if (*count == 0 || *next == '\n') break;
    if (secret->length_ == kMostBytes) {
      return Error{Errc::Environment,
                   fmt::format("the passphrase has more than {} bytes", kMostBytes)};
    }
    ++secret->length_;
  }
  if (secret->text().ends_with('\r')) --secret->length_;
  if (secret->length_ == 0) return Error{Errc::Environment, "the passphrase is empty"};
  return std::shared_ptr<const Secret>(std::move(secret));
}

}  // namespace vmstream
