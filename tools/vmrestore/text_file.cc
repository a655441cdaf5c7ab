// SPDX-License-Identifier: MIT
#include "vmrestore/text_file.h"

#include <fmt/format.h>

namespace vmrestore {

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
  auto file = vmstream::open_random_file(path, limits);
  if (!file) return file.error();
  return read_text(**file, most_bytes, what);
}

}  // namespace vmrestore
