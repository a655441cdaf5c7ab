// SPDX-License-Identifier: MIT
#include <vmstream/file_claim.h>

#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>

#include "base/unique_fd.h"

namespace vmstream {
namespace {

constexpr const char* kClaimed = ".restoring";
constexpr const char* kUsed = ".restored";

Error refused(std::string message, std::string hint = {}) {
  return Error{.code = Errc::Refused, .message = std::move(message), .hint = std::move(hint)};
}

Error claimed_by_another() {
  return refused("the file is claimed: it has become .restoring",
                 "if no restore is under way and its guest never ran, rename it back");
}

Error used_already() {
  return refused("the file has been used: it has become .restored",
                 "rename it back only if that guest's disks are as they were when it was saved");
}

bool exists(const std::string& path) {
  struct stat status {};
  return ::lstat(path.c_str(), &status) == 0;
}

Status sync_folder(const std::string& path) {
  auto parent = std::filesystem::path(path).parent_path();
  UniqueFd folder(
      ::open(parent.empty() ? "." : parent.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!folder.is_open()) return system_error("open the file's folder", errno);
  if (::fsync(folder.get()) != 0) return system_error("fsync of the folder", errno);
  return ok();
}

// File systems without RENAME_NOREPLACE (older NFS, FUSE) have links, which replace nothing either.
Status rename_replacing_nothing(const std::string& from, const std::string& to) {
  if (::renameat2(AT_FDCWD, from.c_str(), AT_FDCWD, to.c_str(), RENAME_NOREPLACE) == 0) return ok();
  if (errno != EINVAL && errno != ENOSYS) return system_error("rename", errno);
  if (::link(from.c_str(), to.c_str()) != 0) return system_error("link", errno);
  if (::unlink(from.c_str()) != 0) return system_error("unlink", errno);
  return ok();
}

// Whether `path` still leads to the file that is open as `fd`.
bool leads_to(const std::string& path, int fd) {
  struct stat named {};
  struct stat open {};
  return ::stat(path.c_str(), &named) == 0 && ::fstat(fd, &open) == 0 &&
         named.st_dev == open.st_dev && named.st_ino == open.st_ino;
}

Error why_missing(const std::string& path, int error_number) {
  if (error_number == ENOENT && exists(path + kClaimed)) return claimed_by_another();
  if (error_number == ENOENT && exists(path + kUsed)) return used_already();
  return system_error("open", error_number);
}

}  // namespace

struct FileClaim::State {
  std::string path;
  std::string claimed;
  UniqueFd file;  // its lock is held as long as the claim
  bool owed = true;
};

FileClaim::FileClaim(std::unique_ptr<State> state) : state_(std::move(state)) {}
FileClaim::FileClaim(FileClaim&&) noexcept = default;
FileClaim::~FileClaim() {
  if (state_) [[maybe_unused]]
    auto done = give_back();
}

Result<FileClaim> FileClaim::take(const std::string& path) {
  auto state = std::make_unique<State>();
  state->path = path;
  state->claimed = path + kClaimed;
  struct stat status {};
  if (::stat(path.c_str(), &status) != 0) return why_missing(path, errno);
  if (!S_ISREG(status.st_mode)) return Error{Errc::Usage, "only a regular file can be claimed"};
  state->file.reset(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!state->file.is_open()) return why_missing(path, errno);
  if (::flock(state->file.get(), LOCK_EX | LOCK_NB) != 0) {
    if (errno == EWOULDBLOCK) return claimed_by_another();
    return system_error("lock", errno);
  }
  if (!leads_to(path, state->file.get())) return claimed_by_another();
  if (exists(path + kUsed)) return used_already();
  if (auto renamed = rename_replacing_nothing(path, state->claimed); !renamed) {
    if (exists(state->claimed)) return claimed_by_another();
    return renamed.error();
  }
  FileClaim claim(std::move(state));
  if (auto synced = sync_folder(path); !synced) return synced.error();
  return claim;
}

const std::string& FileClaim::claimed_path() const {
  return state_->claimed;
}

Result<OpenedFile> FileClaim::file() const {
  int shared = ::fcntl(state_->file.get(), F_DUPFD_CLOEXEC, 0);
  if (shared < 0) return system_error("open", errno);
  return OpenedFile::adopt(shared);
}

Status FileClaim::use_up() {
  state_->owed = false;
  if (auto named = rename_replacing_nothing(state_->claimed, state_->path + kUsed); !named) {
    return named;
  }
  return sync_folder(state_->path);
}

Status FileClaim::give_back() {
  if (!std::exchange(state_->owed, false)) return ok();
  if (auto named = rename_replacing_nothing(state_->claimed, state_->path); !named) return named;
  return sync_folder(state_->path);
}

void FileClaim::abandon() {
  state_->owed = false;
}

}  // namespace vmstream
