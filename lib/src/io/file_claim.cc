// SPDX-License-Identifier: MIT
#include <vmstream/file_claim.h>

#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>

#include <vmstream/text.h>
#include "base/unique_fd.h"
#include "io/claim_mark.h"
#include "io/same_file.h"

namespace vmstream {
namespace {

// A file that is claimed and given back over and over could be missed each time.
constexpr int kAttempts = 20;

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
  return ::stat(path.c_str(), &named) == 0 && ::fstat(fd, &open) == 0 && is_same_file(named, open);
}

// Names in messages are the user's own where they can be.
std::string claimable_name(const std::string& path, const std::string& followed) {
  struct stat status {};
  return ::lstat(path.c_str(), &status) == 0 && S_ISLNK(status.st_mode) ? followed : path;
}

// An open file that nobody else claims while its lock is held.
struct Held {
  UniqueFd file;
  std::string followed;
};

// Not open if the file was moved between two looks at it: look again.
Result<Held> try_hold(const std::string& path, int lock) {
  Held held{{}, follow_links(path)};
  held.file.reset(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!held.file.is_open()) {
    int error = errno;
    if (error != ENOENT) return system_error("open", error);
    if (auto claim = find_claim_of_missing(held.followed)) return *claim;
    struct stat status {};
    if (::stat(path.c_str(), &status) != 0) return system_error("open", error);
    return Held{};
  }
  // Where a file system has no locks, the rename alone decides.
  if (::flock(held.file.get(), lock | LOCK_NB) != 0 && errno == EWOULDBLOCK) {
    return at_work_already();
  }
  return leads_to(held.followed, held.file.get()) ? std::move(held) : Held{};
}

Result<Held> hold(const std::string& path, int lock) {
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    auto held = try_hold(path, lock);
    if (!held || held->file.is_open()) return held;
  }
  return at_work_already();
}

Result<Held> hold_unclaimed(const std::string& path, int lock) {
  auto held = hold(path, lock);
  if (!held) return held;
  auto claim = find_claim(held->file.get(), held->followed);
  if (!claim) return claim.error();
  if (*claim) return **claim;
  return held;
}

Result<OpenedFile> open_again(const UniqueFd& file) {
  int shared = ::fcntl(file.get(), F_DUPFD_CLOEXEC, 0);
  if (shared < 0) return system_error("open", errno);
  return OpenedFile::adopt(shared);
}

bool is_missing(const std::string& path) {
  struct stat status {};
  return ::stat(path.c_str(), &status) != 0 && errno == ENOENT;
}

// Opening anything else may wait for its writer.
bool is_other_than_regular(const std::string& path) {
  struct stat status {};
  return ::stat(path.c_str(), &status) == 0 && !S_ISREG(status.st_mode);
}

}  // namespace

struct FileClaim::State {
  std::string path;
  std::string claimed;
  UniqueFd file;  // its lock is held as long as the claim
  bool owed = true;
};

namespace {

// Of a file that can be read, in a folder that cannot be written to for instance.
Error explain_refused_rename(Error error, const std::string& claimed) {
  error.message =
      "the file cannot be claimed, by the name " + escape(claimed) + ": " + error.message;
  error.hint = "a claim renames the file, so its folder must let you; without --once it stays";
  return error;
}

}  // namespace

FileClaim::FileClaim(std::unique_ptr<State> state) : state_(std::move(state)) {}
FileClaim::FileClaim(FileClaim&&) noexcept = default;
FileClaim::~FileClaim() {
  if (state_) [[maybe_unused]]
    auto done = give_back();
}

Result<FileClaim> FileClaim::take(const std::string& path) {
  if (is_other_than_regular(path)) {
    return Error{Errc::Usage, "only a regular file can be claimed"};
  }
  auto held = hold_unclaimed(path, LOCK_EX);
  if (!held) return held.error();
  auto state = std::make_unique<State>();
  state->path = claimable_name(path, held->followed);
  state->claimed = state->path + kClaimedSuffix;
  state->file = std::move(held->file);
  // The name of a new file, but it would get the same name in the end.
  if (auto earlier = find_claim_of_missing(state->path)) return *earlier;
  int fd = state->file.get();
  if (auto marked = set_claim_mark(fd, held->followed); !marked) return marked.error();
  if (auto renamed = rename_replacing_nothing(state->path, state->claimed); !renamed) {
    clear_claim_mark(fd);
    if (auto claim = find_claim_of_missing(state->path)) return *claim;
    return explain_refused_rename(renamed.error(), state->claimed);
  }
  FileClaim claim(std::move(state));
  if (::fsync(fd) != 0) return system_error("fsync", errno);
  if (auto synced = sync_folder(claim.state_->path); !synced) return synced.error();
  return claim;
}

Result<FileClaim> FileClaim::take_over(const std::string& path) {
  auto held = hold(path, LOCK_EX);
  if (!held) return held.error();
  auto state = std::make_unique<State>();
  state->claimed = claimable_name(path, held->followed);
  std::string_view name = state->claimed;
  if (!name.ends_with(kClaimedSuffix)) return Error{Errc::Usage, "the file is not claimed"};
  state->path = name.substr(0, name.size() - std::string_view(kClaimedSuffix).size());
  state->file = std::move(held->file);
  state->owed = false;
  return FileClaim(std::move(state));
}

bool FileClaim::is_claimed_name(const std::string& path) {
  return follow_links(path).ends_with(kClaimedSuffix);
}

const std::string& FileClaim::claimed_path() const {
  return state_->claimed;
}

Result<OpenedFile> FileClaim::file() const {
  return open_again(state_->file);
}

Status FileClaim::use_up() {
  state_->owed = false;
  if (auto named = rename_replacing_nothing(state_->claimed, state_->path + kUsedSuffix); !named) {
    return named;
  }
  return sync_folder(state_->path);
}

Status FileClaim::give_back() {
  if (!std::exchange(state_->owed, false)) return ok();
  if (auto named = rename_replacing_nothing(state_->claimed, state_->path); !named) return named;
  clear_claim_mark(state_->file.get());
  return sync_folder(state_->path);
}

void FileClaim::abandon() {
  state_->owed = false;
}

struct FileShare::State {
  UniqueFd file;  // and its lock
};

FileShare::FileShare(std::unique_ptr<State> state) : state_(std::move(state)) {}
FileShare::FileShare(FileShare&&) noexcept = default;
FileShare::~FileShare() = default;

Result<OpenedFile> FileShare::file() const {
  if (!holds_file()) return Error{Errc::Usage, "only a regular file can be shared"};
  return open_again(state_->file);
}

Result<FileShare> FileShare::take(const std::string& path) {
  if (is_other_than_regular(path)) return FileShare(nullptr);
  auto held = hold_unclaimed(path, LOCK_SH);
  bool is_no_claim = !held && held.error().code == Errc::Environment;
  if (is_no_claim && is_missing(path)) return FileShare(nullptr);
  if (!held) return held.error();
  return FileShare(std::make_unique<State>(State{std::move(held->file)}));
}

}  // namespace vmstream
