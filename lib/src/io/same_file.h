// SPDX-License-Identifier: MIT
// Whether two names are of one thing.
#pragma once

#include <sys/stat.h>

#include <string>

namespace vmstream {

/// One file or one device, by whatever names and links.
inline bool is_same_file(const struct stat& a, const struct stat& b) {
  if (S_ISBLK(a.st_mode) && S_ISBLK(b.st_mode)) return a.st_rdev == b.st_rdev;
  return a.st_dev == b.st_dev && a.st_ino == b.st_ino;
}

/// Of regular files and block devices only: what else there is holds nothing that could be lost.
inline bool is_same_file(const std::string& a, const std::string& b) {
  struct stat status_of_a {};
  struct stat status_of_b {};
  if (::stat(a.c_str(), &status_of_a) != 0 || ::stat(b.c_str(), &status_of_b) != 0) return false;
  bool holds = S_ISREG(status_of_a.st_mode) || S_ISBLK(status_of_a.st_mode);
  return holds && is_same_file(status_of_a, status_of_b);
}

}  // namespace vmstream
