// SPDX-License-Identifier: MIT
#include "common/terminal.h"

#include <fcntl.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
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

std::vector<std::string_view> wrap(std::string_view text, size_t columns) {
  std::vector<std::string_view> lines;
  do {
    size_t end = text.size();
    if (end > columns) {
      end = text.rfind(' ', columns);
      if (end == std::string_view::npos) end = std::min(text.find(' '), text.size());
    }
    lines.push_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  } while (!text.empty());
  return lines;
}

std::string shorten(std::string text, size_t columns) {
  constexpr size_t kMark = 2;
  if (text.size() <= columns) return text;
  size_t end = columns - std::min(columns, kMark);
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xc0) == 0x80) --end;
  return text.substr(0, end) + "..";
}

}  // namespace vmtools
