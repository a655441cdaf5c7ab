// SPDX-License-Identifier: MIT
#include "guest/capture/stream_drain.h"

#include "io/fd.h"

namespace vmstream {
namespace {

// Stdin is the sign, stdout the stream to read. A Ctrl-C at the terminal is not meant for it, and
// whoever reads our words shall not wait for it.
constexpr const char* kScript =
    "exec 2> /dev/null; trap '' INT HUP; read -r _; exec cat <&1 > /dev/null";

}  // namespace

Result<StreamDrain> StreamDrain::start(int stream) {
  auto sign = make_pipe();
  if (!sign) return sign.error();
  auto reader = ChildProcess::start({"sh", "-c", kScript},
                                    {.stdin_fd = sign->reader.get(), .stdout_fd = stream});
  if (!reader) return reader.error();
  return StreamDrain(std::move(sign->writer), std::move(*reader));
}

void StreamDrain::take_over() {
  alive_.reset();
  reader_.release();
}

}  // namespace vmstream
