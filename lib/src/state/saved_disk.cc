// SPDX-License-Identifier: MIT
#include <vmstream/saved_disk.h>

#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <ctime>

#include <vmstream/command.h>
#include "state/medium_options.h"

namespace vmstream {
namespace {

constexpr const char* kUnknown = "...";

// An index may have been written by anybody: no other argument becomes one of a command.
bool is_argument(const std::string& text) {
  return text.starts_with("-drive ") || text.starts_with("-blockdev ");
}

std::string argument_of(const SavedDisk& disk) {
  if (is_argument(disk.argument)) return disk.argument;
  return fmt::format("-drive file={},format={},{}", escape_option(disk.base), disk.base_format,
                     kUnknown);
}

}  // namespace

std::string lowest_file(const std::string& medium) {
  auto options = medium_options(medium);
  if (!options) return medium;
  const Json* layer = &*options;
  while (const Json* below = find_member(*layer, "file")) {
    if (below->is_string()) return below->get<std::string>();
    layer = below;
  }
  return text_member(*layer, "filename");
}

std::string time_of_base(const std::string& base) {
  std::string file = lowest_file(base);
  struct stat found {};
  if (!file.starts_with('/') || ::stat(file.c_str(), &found) != 0) return {};
  if (!S_ISREG(found.st_mode)) return {};
  std::tm utc{};
  ::gmtime_r(&found.st_mtim.tv_sec, &utc);
  char text[32];
  size_t length = std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &utc);
  return fmt::format("{}.{:09}Z", std::string_view(text, length), found.st_mtim.tv_nsec);
}

bool has_changed(const SavedDisk& disk) {
  if (disk.base_time.empty()) return false;
  std::string now = time_of_base(disk.base);
  return !now.empty() && now != disk.base_time;
}

std::string command_to_go_back(const std::vector<SavedDisk>& disks, std::string_view state_file) {
  auto command = fmt::format("vmrestore {} -- qemu-system-x86_64 ...", quote_for_shell(state_file));
  for (const SavedDisk& disk : disks) {
    std::string argument = argument_of(disk);
    size_t space = argument.find(' ');
    command += fmt::format(" {} {}", argument.substr(0, space),
                           quote_for_shell(argument.substr(space + 1)));
  }
  return command;
}

bool is_known_how_to_go_back(const std::vector<SavedDisk>& disks) {
  return std::none_of(disks.begin(), disks.end(), [](const SavedDisk& disk) {
    std::string argument = argument_of(disk);
    return argument.ends_with(std::string(",") + kUnknown) ||
           argument.find(std::string("=") + kUnknown) != std::string::npos;
  });
}

}  // namespace vmstream
