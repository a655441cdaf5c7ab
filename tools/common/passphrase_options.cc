// SPDX-License-Identifier: MIT
#include "common/passphrase_options.h"

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
