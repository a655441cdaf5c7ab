// SPDX-License-Identifier: MIT
#include <vmstream/saved_disk.h>

#include <fmt/format.h>

#include <vmstream/command.h>

namespace vmstream {
namespace {

// QEMU takes two commas for one that belongs to a value.
std::string as_option(const std::string& value) {
  std::string text;
  for (char c : value) text += c == ',' ? std::string(",,") : std::string(1, c);
  return text;
}

}  // namespace

std::string command_to_go_back(const std::vector<SavedDisk>& disks, std::string_view state_file) {
  auto command = fmt::format("vmrestore {} -- qemu-system-x86_64 ...", quote_for_shell(state_file));
  for (const SavedDisk& disk : disks) {
    std::string drive = fmt::format("file={},format={}", as_option(disk.base), disk.base_format);
    command += fmt::format(" -drive {}", quote_for_shell(drive));
  }
  return command;
}

}  // namespace vmstream
