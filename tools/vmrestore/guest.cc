// SPDX-License-Identifier: MIT
#include "vmrestore/guest.h"

#include <fmt/format.h>

#include <vmstream/restore.h>
#include <vmstream/text.h>
#include "common/output.h"

namespace vmrestore {

using vmstream::Errc;
using vmstream::Error;
using vmstream::Status;
using vmtools::ExitStatus;
using vmtools::Session;

namespace {

vmstream::OnLongWait warn_of(vmtools::Session& session, const std::string& subject) {
  return
      [&session, &subject](const std::string& text) { session.messages().warning(subject, text); };
}

// A passphrase is nobody else's, and who reads the progress waits for the end of all writers.
std::vector<int> meant_for_qemu(const Session& session, const Options& options) {
  std::vector<int> fds = session.inherited();
  std::erase(fds, session.options().progress_fd);
  std::erase(fds, options.passphrase.descriptor.value_or(-1));
  return fds;
}

}  // namespace

vmstream::Result<vmstream::QmpClient> connect_to_qemu(vmtools::Session& session,
                                                      const std::string& monitor,
                                                      vmstream::WaitLimits limits) {
  auto address = vmstream::QmpAddress::parse(monitor);
  if (!address) return address.error();
  return vmstream::QmpClient::connect(*address, limits, warn_of(session, monitor));
}

vmstream::Result<vmstream::QemuProcess> start_qemu(vmtools::Session& session,
                                                   const Options& options,
                                                   vmstream::WaitLimits limits) {
  return start_qemu(session, options, options.qemu, {}, limits);
}

vmstream::Result<vmstream::QemuProcess> start_qemu(vmtools::Session& session,
                                                   const Options& options,
                                                   const std::vector<std::string>& command,
                                                   const std::vector<int>& more_fds,
                                                   vmstream::WaitLimits limits) {
  for (const std::string& disk : vmstream::misnamed_disks(command)) {
    session.messages().warning(
        command[0], fmt::format("with -daemonize it works in / and does not find {} there: give it "
                                "the absolute name",
                                vmstream::escape(disk)));
  }
  auto fds = meant_for_qemu(session, options);
  fds.insert(fds.end(), more_fds.begin(), more_fds.end());
  return vmstream::QemuProcess::start(
      command, limits, {.kept_fds = std::move(fds), .on_long_wait = warn_of(session, command[0])});
}

ExitStatus wait_for_qemu(vmtools::Session& session, vmstream::QemuProcess& qemu,
                         const std::string& program, ExitStatus restored,
                         const std::function<void()>& meanwhile) {
  if (auto flushed = vmtools::flush_output(); !flushed) {
    restored = session.fail("stdout", flushed.error());
  }
  auto code = qemu.wait(meanwhile);
  if (!code) return session.fail(program, code.error());
  if (*code == 0) return restored;
  return session.fail(program,
                      Error{Errc::Environment, fmt::format("ended with status {}", *code)});
}

namespace {

Status ask_agent(const std::string& agent, const std::string& run_state,
                 vmstream::WaitLimits limits) {
  if (run_state != "running") {
    return Error{.code = Errc::Environment,
                 .message = "it stands still, in the run state '" + run_state + "'",
                 .hint = "--cont lets it run"};
  }
  auto address = vmstream::QmpAddress::parse(agent);
  return address ? vmstream::set_guest_clock(*address, limits) : Status(address.error());
}

}  // namespace

Status set_clock(const Options& options, const std::string& run_state,
                 vmstream::WaitLimits limits) {
  if (!options.set_clock) return vmstream::ok();
  auto set = ask_agent(*options.agent, run_state, limits);
  if (set) return set;
  Error error = set.error();
  error.message = "the guest is back, but its clock is not set: " + error.message;
  return error;
}

}  // namespace vmrestore
