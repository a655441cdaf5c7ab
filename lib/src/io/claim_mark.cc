// SPDX-License-Identifier: MIT
#include "io/claim_mark.h"

#include <fmt/format.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <climits>
#include <filesystem>

#include <vmstream/text.h>

namespace vmstream {
namespace {

namespace fs = std::filesystem;

constexpr const char* kAttribute = "user.vmstream.claim";
constexpr int kMostLinks = 40;  // that Linux follows

Error refused(std::string message, std::string hint = {}) {
  return Error{.code = Errc::Refused, .message = std::move(message), .hint = std::move(hint)};
}

bool exists(const std::string& path) {
  struct stat status {};
  return ::lstat(path.c_str(), &status) == 0;
}

// Of a file that one of its names calls claimed or used.
std::optional<Error> claim_in_name(const std::string& name, const char* how) {
  if (name.ends_with(kClaimedSuffix)) return claimed_by_another(how);
  if (name.ends_with(kUsedSuffix)) return used_already(how);
  return std::nullopt;
}

Error claimed_elsewhere(const std::string& claimed_name) {
  return refused(
      fmt::format("the file is claimed under another name, '{}'", escape(claimed_name)),
      fmt::format("if its guest never ran, give it that name and no other, or remove its attribute "
                  "{}",
                  kAttribute));
}

// Empty where there is none, or the file system has no place for it.
Result<std::string> read_mark(int fd) {
  std::array<char, PATH_MAX> value;
  ssize_t length = ::fgetxattr(fd, kAttribute, value.data(), value.size());
  if (length >= 0) return std::string(value.data(), static_cast<size_t>(length));
  if (errno == ENODATA || errno == EOPNOTSUPP || errno == ENOSYS) return std::string();
  return system_error("read the claim of the file", errno);
}

// For file systems that cannot mark a file: another name of it, in its folder, that tells.
std::optional<Error> claim_of_sibling(const std::string& followed, const struct stat& file) {
  std::error_code failed;
  for (fs::directory_iterator entry(fs::path(followed).parent_path(), failed), end;
       !failed && entry != end; entry.increment(failed)) {
    struct stat status {};
    auto claim = claim_in_name(entry->path().native(), "it has become");
    if (claim && ::lstat(entry->path().c_str(), &status) == 0 && status.st_ino == file.st_ino &&
        status.st_dev == file.st_dev) {
      return claim;
    }
  }
  return std::nullopt;
}

}  // namespace

Error claimed_by_another(const char* how) {
  return refused(
      fmt::format("the file is claimed: {} {}", how, kClaimedSuffix),
      "if no restore is under way and its guest never ran, rename it back; --resume-lazy "
      "goes on with a lazy restore");
}

Error used_already(const char* how) {
  return refused(fmt::format("the file has been used: {} {}", how, kUsedSuffix),
                 "rename it back only if that guest's disks are as they were when it was saved");
}

Error at_work_already() {
  return refused("another restore is at work on the file");
}

std::string follow_links(const std::string& path) {
  fs::path followed = path;
  std::error_code failed;
  for (int links = 0; links < kMostLinks; ++links) {
    auto real = fs::canonical(followed, failed);
    if (!failed) return real.string();
    auto target = fs::read_symlink(followed, failed);
    if (failed) break;
    followed = followed.parent_path() / target;
  }
  auto folder = fs::canonical(followed.has_parent_path() ? followed.parent_path() : ".", failed);
  return failed ? path : (folder / followed.filename()).string();
}

Result<std::optional<Error>> find_claim(int fd, const std::string& followed) {
  if (auto claim = claim_in_name(followed, "its name ends in")) return claim;
  struct stat status {};
  if (::fstat(fd, &status) != 0) return system_error("fstat", errno);
  auto mark = read_mark(fd);
  if (!mark) return mark.error();
  bool has_one_name = status.st_nlink == 1;
  if (mark->empty()) return has_one_name ? std::nullopt : claim_of_sibling(followed, status);
  if (has_one_name && *mark == followed) return std::optional<Error>();
  return std::optional(claimed_elsewhere(*mark));
}

std::optional<Error> find_claim_of_missing(const std::string& followed) {
  // In the order in which a claim goes on, so that none is missed between two looks.
  if (exists(followed + kClaimedSuffix)) return claimed_by_another();
  if (exists(followed + kUsedSuffix)) return used_already();
  return std::nullopt;
}

Status set_claim_mark(int fd, const std::string& followed) {
  if (::fsetxattr(fd, kAttribute, followed.data(), followed.size(), 0) == 0) return ok();
  int error = errno;
  struct stat status {};
  if (::fstat(fd, &status) != 0) return system_error("fstat", errno);
  if (status.st_nlink == 1) return ok();  // the name will tell
  return refused(fmt::format("the file has {} names and cannot be claimed under all: {}",
                             status.st_nlink, system_error("mark it", error).message),
                 "remove the other names, or copy it");
}

void clear_claim_mark(int fd) {
  [[maybe_unused]] int removed = ::fremovexattr(fd, kAttribute);
}

}  // namespace vmstream
