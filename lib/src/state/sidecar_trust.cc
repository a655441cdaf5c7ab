// SPDX-License-Identifier: MIT
#include "state/sidecar_trust.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include <vmstream/text.h>
#include "base/unique_fd.h"

namespace vmstream {
namespace {

constexpr mode_t kOthersMayWrite = S_IWGRP | S_IWOTH;

Error refused(const std::string& path, const std::string& reason) {
  return Error{.code = Errc::Refused,
               .message = fmt::format("index: {} is not believed: {}", escape(path), reason),
               .hint = "vmstream-inspect index --force makes it anew"};
}

// Why somebody else may have written it; empty if not.
std::string find_doubt(const struct stat& status, std::optional<uint32_t> file_owner) {
  if (!S_ISREG(status.st_mode)) return "it is no regular file";
  uid_t reader = ::geteuid();
  bool known = status.st_uid == reader || status.st_uid == 0 || status.st_uid == file_owner;
  if (!known) {
    return fmt::format("it belongs to user {}, wanted {}, 0 or the owner of the file",
                       status.st_uid, reader);
  }
  if ((status.st_mode & kOthersMayWrite) != 0) {
    return fmt::format("its mode is {:o}: others than its owner may write it",
                       status.st_mode & 07777);
  }
  return {};
}

}  // namespace

// Opened first and looked at then, so that it is the same file; without waiting for a FIFO.
Result<std::unique_ptr<RandomSource>> open_sidecar(const std::string& path,
                                                   std::optional<uint32_t> file_owner,
                                                   WaitLimits limits) {
  UniqueFd fd(::open(path.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC));
  if (!fd.is_open()) {
    if (errno == ENOENT || errno == ENOTDIR || errno == ENAMETOOLONG)
      return std::unique_ptr<RandomSource>();
    if (errno == ELOOP) return refused(path, "it is a symbolic link");
    if (errno == ENXIO) return refused(path, "it is no regular file");
    return system_error(fmt::format("index: open {}", escape(path)), errno);
  }
  struct stat status {};
  if (::fstat(fd.get(), &status) != 0) return system_error("look at the index", errno);
  std::string doubt = find_doubt(status, file_owner);
  if (!doubt.empty()) return refused(path, doubt);
  auto opened = OpenedFile::adopt(fd.release());
  if (!opened) return opened.error();
  return opened->reader(limits);
}

}  // namespace vmstream
