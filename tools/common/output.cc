// SPDX-License-Identifier: MIT
#include "common/output.h"

#include <poll.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <nlohmann/json.hpp>

namespace vmtools {
namespace {

// stdio forgets the errno of a write that failed earlier, but the pipe still knows.
bool reader_is_gone() {
  pollfd out{STDOUT_FILENO, POLLOUT, 0};
  return ::poll(&out, 1, 0) > 0 && (out.revents & (POLLERR | POLLHUP)) != 0;
}

}  // namespace

void print(std::string_view text) {
  // What fails is told by flush_output().
  static_cast<void>(std::fwrite(text.data(), 1, text.size(), stdout));
}

void print_json(const nlohmann::ordered_json& value) {
  using nlohmann::ordered_json;
  print(value.dump(2, ' ', false, ordered_json::error_handler_t::replace));
  print("\n");
}

vmstream::Status flush_output() {
  errno = 0;
  bool flushed = std::fflush(stdout) == 0;
  int error_number = errno;
  if ((flushed && std::ferror(stdout) == 0) || reader_is_gone()) return vmstream::ok();
  return vmstream::system_error("write", error_number == 0 ? EIO : error_number);
}

}  // namespace vmtools
