// SPDX-License-Identifier: MIT
#include "common/terminal.h"

#include <fcntl.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <charconv>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <string_view>
#include <system_error>

namespace vmtools {

bool is_terminal(int fd) {
  return ::isatty(fd) == 1;
}

std::vector<int> inherited_descriptors() {
  std::vector<int> found;
  std::error_code none;
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd", none)) {
    int number = -1;
    std::string name = entry.path().filename().string();
    std::from_chars(name.data(), name.data() + name.size(), number);
    // The folder that is being read has the flag.
    int flags = ::fcntl(number, F_GETFD);
    if (number > STDERR_FILENO && flags >= 0 && (flags & FD_CLOEXEC) == 0) found.push_back(number);
  }
  return found;
}

unsigned terminal_width(int fd) {
  winsize size{};
  if (::ioctl(fd, TIOCGWINSZ, &size) != 0 || size.ws_col == 0) return 80;
  return size.ws_col;
}

bool use_color(ColorMode mode, int fd) {
  if (mode != ColorMode::Auto) return mode == ColorMode::Always;
  auto value_of = [](const char* name) -> std::string_view {
    const char* value = std::getenv(name);  // NOLINT(concurrency-mt-unsafe): it is never set here
    return value ? value : "";
  };
  return is_terminal(fd) && value_of("NO_COLOR").empty() && value_of("TERM") != "dumb";
}

vmstream::Status refuse_binary_to_terminal(int fd, bool force) {
  if (force || !is_terminal(fd)) return vmstream::ok();
  return vmstream::Error{.code = vmstream::Errc::Refused,
                         .message = "binary data is not written to a terminal",
                         .hint = "redirect stdout, name a file with -o, or use --force"};
}

}  // namespace vmtools
