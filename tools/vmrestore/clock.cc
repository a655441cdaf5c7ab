// SPDX-License-Identifier: MIT
#include "vmrestore/clock.h"

#include <vmstream/restore.h>

namespace vmrestore {

using vmstream::Errc;
using vmstream::Error;
using vmstream::Status;

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
