// SPDX-License-Identifier: MIT
#include "guest/migration/private_folder.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>

namespace vmstream {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kPrefix = "vmstream-";
constexpr std::string_view kRandom = "XXXXXX";  // what mkdtemp() replaces
constexpr size_t kPlaceNameLength = 32;
constexpr int kAttempts = 10;

Result<std::string> random_name() {
  uint64_t words[2];
  if (::getrandom(words, sizeof words, 0) != sizeof words) return system_error("getrandom", errno);
  return fmt::format("{:016x}{:016x}", words[0], words[1]);
}

bool is_place_name(std::string_view name) {
  return name.size() == kPlaceNameLength &&
         name.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

bool is_folder_name(std::string_view name) {
  return name.starts_with(kPrefix) && name.size() == kPrefix.size() + kRandom.size();
}

// Whether a folder is there still, and this user's. Root gives its folders away.
bool is_ours(const UniqueFd& folder) {
  struct stat status {};
  return folder.is_open() && ::fstat(folder.get(), &status) == 0 && status.st_nlink > 0 &&
         (status.st_uid == ::geteuid() || ::geteuid() == 0);
}

// Not open if somebody else has it, or has just taken it for left behind.
UniqueFd lock_folder(const fs::path& path) {
  UniqueFd folder(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (!is_ours(folder) || ::flock(folder.get(), LOCK_EX | LOCK_NB) != 0) return {};
  return is_ours(folder) ? std::move(folder) : UniqueFd();
}

template <typename Visit>
void for_each_name(const fs::path& folder, Visit visit) {
  std::error_code failed;
  for (fs::directory_iterator entry(folder, failed), end; !failed && entry != end;
       entry.increment(failed)) {
    visit(entry->path());
  }
}

// What else may be in there is not ours; then the folder stays too. By descriptor, as the path may
// lead elsewhere by now.
void remove_folder(const fs::path& path, const UniqueFd& folder) {
  for_each_name(path, [&folder](const fs::path& entry) {
    std::string name = entry.filename();
    struct stat status {};
    bool is_there = ::fstatat(folder.get(), name.c_str(), &status, AT_SYMLINK_NOFOLLOW) == 0 &&
                    !S_ISDIR(status.st_mode);
    if (is_there && is_place_name(name)) ::unlinkat(folder.get(), name.c_str(), 0);
  });
  ::rmdir(path.c_str());
}

Status open_to(uid_t user, bool user_makes_socket, const UniqueFd& folder) {
  if (user == ::geteuid()) return ok();  // mkdtemp() has closed it to others
  if (::fchown(folder.get(), user, static_cast<gid_t>(-1)) == 0) return ok();
  if (::fchmod(folder.get(), user_makes_socket ? 01733 : 0711) == 0) return ok();
  return system_error("chmod", errno);
}

void remove_left_folders(const std::string& parent) {
  for_each_name(parent, [](const fs::path& path) {
    if (!is_folder_name(path.filename().native())) return;
    UniqueFd lock = lock_folder(path);
    if (lock.is_open()) remove_folder(path, lock);
  });
}

}  // namespace

PrivateFolder::~PrivateFolder() {
  if (path_.empty()) return;
  ::unlink(place_.c_str());
  ::rmdir(path_.c_str());
}

Result<PrivateFolder> PrivateFolder::create(uid_t user, bool user_makes_socket,
                                            const std::string& parent) {
  remove_left_folders(parent);
  auto name = random_name();
  if (!name) return name.error();
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    std::string path = fmt::format("{}/{}{}", parent, kPrefix, kRandom);
    if (!::mkdtemp(path.data())) return system_error("a folder in " + parent, errno);
    UniqueFd lock = lock_folder(path);
    if (!lock.is_open()) {
      ::rmdir(path.c_str());
      continue;
    }
    PrivateFolder folder(std::move(path), std::move(lock));
    folder.place_ = folder.path_ + "/" + *name;
    auto opened = open_to(user, user_makes_socket, folder.lock_);
    if (!opened) return opened.error();
    return folder;
  }
  return Error{Errc::Environment, "no folder could be locked in " + parent};
}

}  // namespace vmstream
