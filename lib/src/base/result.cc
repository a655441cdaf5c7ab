// SPDX-License-Identifier: MIT
#include <vmstream/result.h>

#include <fmt/format.h>

#include <system_error>

namespace vmstream {

std::string_view version() {
  return VMSTREAM_VERSION;
}

bool is_stream_fault(const Error& error) {
  return error.code == Errc::Malformed || error.code == Errc::Truncated ||
         error.code == Errc::Unsupported;
}

Error system_error(std::string what, int error_number) {
  return Error{Errc::Environment,
               fmt::format("{}: {}", what, std::generic_category().message(error_number))};
}

std::string describe(const Error& error) {
  if (error.offset) return fmt::format("offset {:#x}: {}", *error.offset, error.message);
  if (error.file_offset) {
    return fmt::format("file offset {:#x}: {}", *error.file_offset, error.message);
  }
  return error.message;
}

}  // namespace vmstream
