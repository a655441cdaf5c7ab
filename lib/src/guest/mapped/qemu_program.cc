// SPDX-License-Identifier: MIT
#include "guest/mapped/qemu_program.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <charconv>

#include <vmstream/command.h>
#include <vmstream/text.h>
#include "base/unique_fd.h"

namespace vmstream {
namespace {

constexpr std::string_view kVersionWords = "QEMU emulator version ";
constexpr std::string_view kElf = "\177ELF";
constexpr size_t kMostVersionBytes = 4096;

bool can_be_run(const std::string& path) {
  struct stat facts {};
  return ::stat(path.c_str(), &facts) == 0 && S_ISREG(facts.st_mode) &&
         ::access(path.c_str(), X_OK) == 0;
}

Result<std::string> find_in_path(const std::string& program, std::string_view folders) {
  if (program.find('/') != std::string::npos) return program;
  while (!folders.empty()) {
    size_t end = std::min(folders.find(':'), folders.size());
    std::string folder(folders.substr(0, end));
    std::string path = (folder.empty() ? "." : folder) + "/" + program;
    if (can_be_run(path)) return path;
    folders.remove_prefix(std::min(end + 1, folders.size()));
  }
  return system_error(fmt::format("start '{}'", escape(program)), ENOENT);
}

}  // namespace

QemuRelease read_release(std::string_view text) {
  QemuRelease release;
  const char* end = text.data() + text.size();
  auto parsed = std::from_chars(text.data(), end, release.major);
  if (parsed.ptr < end) std::from_chars(parsed.ptr + 1, end, release.minor);
  return release;
}

Result<QemuRelease> query_release(const std::string& program, const WaitLimits& limits) {
  auto source = make_command_source("exec " + quote_for_shell(program) + " -version", limits);
  if (!source) return source.error();
  std::string words;
  std::array<std::byte, 512> piece;
  for (;;) {
    auto count = (*source)->read(piece);
    if (!count) return count.error();
    if (*count == 0 || words.size() > kMostVersionBytes) break;
    words.append(reinterpret_cast<const char*>(piece.data()), *count);
  }
  size_t at = words.find(kVersionWords);
  QemuRelease release;
  if (at != std::string::npos) {
    release = read_release(std::string_view(words).substr(at + kVersionWords.size()));
  }
  if (release.major > 0) return release;
  return Error{Errc::Unsupported,
               fmt::format("'{}' does not answer to -version as QEMU does", escape(program))};
}

Result<std::string> find_qemu_program(const std::string& program, std::string_view search_path) {
  auto path = find_in_path(program, search_path);
  if (!path) return path.error();
  UniqueFd file(::open(path->c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (!file.is_open()) return system_error(fmt::format("open '{}'", escape(*path)), errno);
  std::array<char, 4> head{};
  ssize_t count = ::read(file.get(), head.data(), head.size());
  if (count == 4 && std::string_view(head.data(), head.size()) == kElf) return path;
  return Error{.code = Errc::Unsupported,
               .message = fmt::format("'{}' is no QEMU but a script or something else, which may "
                                      "do more than start one",
                                      escape(*path)),
               .hint = "name the QEMU itself, with the arguments that the script adds"};
}

}  // namespace vmstream
