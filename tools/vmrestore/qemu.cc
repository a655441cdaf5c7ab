// SPDX-License-Identifier: MIT
#include "vmrestore/qemu.h"

#include <fmt/format.h>

#include "common/output.h"

namespace vmrestore {

using vmstream::Errc;
using vmstream::Error;
using vmtools::ExitStatus;

ExitStatus wait_for_qemu(vmtools::Session& session, vmstream::QemuProcess& qemu,
                         const std::string& program, ExitStatus restored) {
  if (auto flushed = vmtools::flush_output(); !flushed) {
    restored = session.fail("stdout", flushed.error());
  }
  auto code = qemu.wait();
  if (!code) return session.fail(program, code.error());
  if (*code == 0) return restored;
  return session.fail(program,
                      Error{Errc::Environment, fmt::format("ended with status {}", *code)});
}

}  // namespace vmrestore
