// SPDX-License-Identifier: MIT
#include "vmrestore/qemu.h"

#include <fmt/format.h>

#include <chrono>
#include <functional>
#include <optional>

#include "common/output.h"

namespace vmrestore {

using vmstream::Errc;
using vmstream::Error;
using vmtools::ExitStatus;

namespace {

// A QEMU with much memory to allocate takes seconds too.
constexpr auto kSilence = std::chrono::seconds(5);

}  // namespace

vmstream::Result<vmstream::QemuProcess> start_qemu(vmtools::Session& session,
                                                   const std::vector<std::string>& command,
                                                   vmstream::WaitLimits limits) {
  auto warn_at = std::optional(vmstream::Clock::now() + kSilence);
  std::function<void()> warn_once = [&] {
    if (!warn_at || vmstream::Clock::now() < *warn_at) return;
    warn_at.reset();
    session.messages().warning(command[0],
                               "no QEMU has answered yet; if this is a script, it must pass its "
                               "arguments on (\"$@\")");
  };
  vmstream::WaitLimits watched = limits;
  watched.meanwhile = &warn_once;
  auto qemu = vmstream::QemuProcess::start(command, watched);
  if (qemu) qemu->qmp().set_limits(limits);
  return qemu;
}

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
