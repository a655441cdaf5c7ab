// SPDX-License-Identifier: MIT
#include "common/common_options.h"

#include <fcntl.h>
#include <fmt/format.h>

#include <charconv>

#include <vmstream/text.h>
#include "common/command_line.h"

namespace vmtools {

using vmstream::Errc;
using vmstream::Error;
using vmstream::Secret;
using vmstream::Status;

namespace {

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

namespace {

Status take_descriptor(const std::string& text, std::optional<int>& into) {
  int number = -1;
  const char* end = text.data() + text.size();
  auto parsed = std::from_chars(text.data(), end, number);
  if (parsed.ec != std::errc{} || parsed.ptr != end || number < 0) {
    return Error{Errc::Usage, fmt::format("'{}' is not a descriptor", vmstream::escape(text))};
  }
  if (::fcntl(number, F_GETFD) < 0) {
    return Error{Errc::Usage, fmt::format("descriptor {} is not open", number)};
  }
  into = number;
  return vmstream::ok();
}

}  // namespace

void add_passphrase_options(CommandLine& line, PassphraseOptions& options) {
  line.text("--passphrase-file", "FILE", options.file,
            "the passphrase is the first line of FILE (gpg-agent has it or asks for it)");
  line.value(
      "--passphrase-fd", "N", "the passphrase is the first line read from descriptor N",
      [&options](const std::string& text) { return take_descriptor(text, options.descriptor); });
  line.exclusive("--passphrase-file", "--passphrase-fd");
}

vmstream::Result<std::shared_ptr<const Secret>> read_passphrase(const PassphraseOptions& options,
                                                                vmstream::WaitLimits limits) {
  if (!options.file && !options.descriptor) return std::shared_ptr<const Secret>();
  auto secret = options.file ? Secret::read_file(*options.file, limits)
                             : Secret::read_fd(*options.descriptor, limits);
  if (secret) return secret;
  Error error = secret.error();
  std::string place = options.file ? vmstream::escape(*options.file)
                                   : fmt::format("descriptor {}", *options.descriptor);
  error.message = fmt::format("passphrase from {}: {}", place, error.message);
  return error;
}

}  // namespace vmtools
