// SPDX-License-Identifier: MIT
#include "common/text_file.h"

#include <fmt/format.h>

#include <span>

#include <vmstream/byte_source.h>

namespace vmtools {

using vmstream::Errc;
using vmstream::Error;
using vmstream::Result;

Result<std::string> read_text(vmstream::RandomSource& file, uint64_t most_bytes, const char* what) {
  if (file.length() > most_bytes) {
    return Error{Errc::Malformed,
                 fmt::format("has {} bytes, {} has {} at most", file.length(), what, most_bytes)};
  }
  std::string text(static_cast<size_t>(file.length()), '\0');
  auto read = file.read_at(0, std::as_writable_bytes(std::span(text)));
  if (!read) return read.error();
  return text;
}

Result<std::string> read_text(const std::string& path, uint64_t most_bytes, const char* what,
                              vmstream::WaitLimits limits) {
  auto source = vmstream::open_file_source(path, limits);
  if (!source) return source.error();
  std::string text(static_cast<size_t>(most_bytes) + 1, '\0');
  auto count = read_fully(**source, std::as_writable_bytes(std::span(text)));
  if (!count) return count.error();
  if (*count > most_bytes) {
    return Error{Errc::Malformed,
                 fmt::format("has more than the {} bytes of {}", most_bytes, what)};
  }
  text.resize(*count);
  return text;
}

}  // namespace vmtools
