// SPDX-License-Identifier: MIT
#include "common/common_options.h"

#include <fcntl.h>
#include <fmt/format.h>

#include <charconv>

#include <vmstream/text.h>
#include "common/command_line.h"

namespace vmtools {
namespace {

using vmstream::Errc;
using vmstream::Error;
using vmstream::Status;

constexpr unsigned kMostThreads = 1024;

Status read_number(const std::string& text, unsigned lowest, unsigned highest, unsigned& into) {
  unsigned value = 0;
  const char* end = text.data() + text.size();
  auto parsed = std::from_chars(text.data(), end, value);
  if (parsed.ec != std::errc{} || parsed.ptr != end || value < lowest || value > highest) {
    return Error{Errc::Usage, fmt::format("'{}' is not a number from {} to {}",
                                          vmstream::escape(text), lowest, highest)};
  }
  into = value;
  return vmstream::ok();
}

Status read_descriptor(const std::string& text, CommonOptions& options) {
  unsigned number = 0;
  if (auto read = read_number(text, 1, 1u << 20, number); !read) return read;
  options.progress_fd = static_cast<int>(number);
  options.progress = ProgressMode::Json;
  if (::fcntl(options.progress_fd, F_GETFD) >= 0) return vmstream::ok();
  return Error{Errc::Usage, fmt::format("descriptor {} is not open", number)};
}

}  // namespace

void add_common_options(CommandLine& line, CommonOptions& options) {
  line.group("Common options");
  line.flag("-q,--quiet", "print errors only",
            [&options] { options.verbosity = Verbosity::Quiet; });
  line.flag("-v,--verbose", "say what is being done and how it went",
            [&options] { options.verbosity = Verbosity::Verbose; });
  line.exclusive("--quiet", "--verbose");
  line.choice("--progress", options.progress,
              {{"auto", ProgressMode::Auto},
               {"always", ProgressMode::Always},
               {"never", ProgressMode::Never},
               {"json", ProgressMode::Json}},
              "auto: a bar if stderr is a terminal; json: one object a line on stderr (auto)");
  line.value("--progress-fd", "N", "write JSON progress to descriptor N",
             [&options](const std::string& text) { return read_descriptor(text, options); });
  line.exclusive("--progress", "--progress-fd");
  line.flag("--json", "print the result as JSON on stdout", [&options] { options.json = true; });
  line.choice(
      "--color", options.color,
      {{"auto", ColorMode::Auto}, {"always", ColorMode::Always}, {"never", ColorMode::Never}},
      "colour messages; auto obeys NO_COLOR (auto)");
  line.value("--threads", "N", "cores to use (all); never changes the bytes of the result",
             [&options](const std::string& text) {
               return read_number(text, 1, kMostThreads, options.threads);
             });
}

}  // namespace vmtools
