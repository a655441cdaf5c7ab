// SPDX-License-Identifier: MIT
// gdb: serves a debugger over stdin and stdout.
#include <unistd.h>

#include <array>
#include <cerrno>

#include <vmstream/byte_source.h>
#include <vmstream/gdb_stub.h>
#include "vmstream-inspect/commands/commands.h"
#include "vmstream-inspect/commands/guest_addresses.h"

namespace vminspect {

using vmstream::Errc;
using vmstream::Error;
using vmstream::Status;
using vmtools::ExitStatus;
using vmtools::Session;

namespace {

Status send_all(std::string_view bytes) {
  while (!bytes.empty()) {
    ssize_t written = ::write(STDOUT_FILENO, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return vmstream::system_error("cannot write to the debugger", errno);
    bytes.remove_prefix(static_cast<size_t>(written));
  }
  return vmstream::ok();
}

// Until the debugger leaves, or ends.
Status serve(Session& session, vmstream::GdbStub& stub) {
  vmstream::GdbConnection connection(stub);
  auto input = vmstream::make_fd_source(STDIN_FILENO, session.limits());
  while (!stub.has_ended()) {
    std::array<std::byte, 4096> piece;
    auto read = input->read(piece);
    if (!read) return read.error();
    if (*read == 0) return vmstream::ok();
    auto answer = connection.receive({reinterpret_cast<const char*>(piece.data()), *read});
    if (auto sent = send_all(answer); !sent) return sent;
  }
  return vmstream::ok();
}

}  // namespace

ExitStatus serve_debugger(Session& session, const InspectOptions& options) {
  session.leave_stdout();
  if (options.file == "-") {
    return session.fail("", {Errc::Usage, "gdb wants a file, for the debugger is on stdin"});
  }
  auto guest = open_addresses(session, options, true);
  if (!guest) return session.fail(shown_name(options), guest.error());
  auto stub = vmstream::GdbStub::make((*guest)->cpus, (*guest)->reader());
  if (!stub) return session.fail(shown_name(options), stub.error());
  auto served = serve(session, *stub);
  return served ? ExitStatus::Done : session.fail("", served.error());
}

}  // namespace vminspect
