// SPDX-License-Identifier: MIT
#include "io/temporary_name.h"

#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <memory>
#include <string_view>

#include <vmstream/cancellation.h>

namespace vmstream {
namespace {

constexpr std::string_view kSuffix = ".partial";

// Names have at most 255 bytes on most file systems.
std::string prefix_of(const std::string& target_name) {
  return fmt::format(".{}.", target_name.substr(0, 200));
}

bool is_number(std::string_view text) {
  return !text.empty() && std::ranges::all_of(text, [](char c) { return c >= '0' && c <= '9'; });
}

bool is_temporary_name(std::string_view name, std::string_view prefix) {
  if (!name.starts_with(prefix) || !name.ends_with(kSuffix)) return false;
  if (name.size() < prefix.size() + kSuffix.size()) return false;
  name.remove_prefix(prefix.size());
  name.remove_suffix(kSuffix.size());
  size_t dash = name.find('-');
  return dash != std::string_view::npos && is_number(name.substr(0, dash)) &&
         is_number(name.substr(dash + 1));
}

struct CloseFolder {
  void operator()(DIR* folder) const { ::closedir(folder); }
};
using OpenFolder = std::unique_ptr<DIR, CloseFolder>;

// A second descriptor, because closedir() closes the one it was given.
OpenFolder list(const UniqueFd& folder) {
  UniqueFd again(::openat(folder.get(), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  OpenFolder opened(::fdopendir(again.get()));
  if (opened) again.release();
  return opened;
}

// The writer locks its file right after it has made it. One that finds the lock taken, here, makes
// itself another.
void remove_if_left(int folder, const char* name) {
  UniqueFd file(::openat(folder, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
  struct stat status {};
  if (!file.is_open() || ::fstat(file.get(), &status) != 0) return;
  if (!S_ISREG(status.st_mode) || status.st_uid != ::geteuid()) return;
  if (::flock(file.get(), LOCK_EX | LOCK_NB) == 0) ::unlinkat(folder, name, 0);
}

}  // namespace

std::string temporary_name(const std::string& target_name) {
  uint64_t random = 0;
  if (::getrandom(&random, sizeof random, 0) != sizeof random) {
    random = static_cast<uint64_t>(Clock::now().time_since_epoch().count());
  }
  return fmt::format("{}{}-{}{}", prefix_of(target_name), ::getpid(), random, kSuffix);
}

// Where the file system has no locks, nobody can find a leftover either.
bool claim_temporary(const UniqueFd& file) {
  return ::flock(file.get(), LOCK_EX | LOCK_NB) == 0 || errno != EWOULDBLOCK;
}

void remove_leftovers(const UniqueFd& folder, const std::string& target_name) {
  std::string prefix = prefix_of(target_name);
  OpenFolder listed = list(folder);
  if (!listed) return;
  // NOLINTNEXTLINE(concurrency-mt-unsafe): readdir is safe where an open folder has one reader
  while (const dirent* entry = ::readdir(listed.get())) {
    if (is_temporary_name(entry->d_name, prefix)) remove_if_left(folder.get(), entry->d_name);
  }
}

}  // namespace vmstream
