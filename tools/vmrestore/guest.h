// SPDX-License-Identifier: MIT
// The guest that is brought back: what a failure means for it, the QEMU that takes it, its clock.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include <vmstream/cancellation.h>
#include <vmstream/restore.h>
#include "common/tool.h"
#include "vmrestore/options.h"

namespace vmrestore {

inline constexpr vmtools::GuestFate kNotStarted{"not-started", "the guest has not run"};
inline constexpr vmtools::GuestFate kMayHaveRun{"unknown", "the guest may have run"};
inline constexpr vmtools::GuestFate kWaits{"waiting", "the guest waits for the rest of its memory"};
inline constexpr vmtools::GuestFate kRestored{"restored", "the guest is back"};

/// A session with the QEMU behind this monitor; what takes long there is said.
vmstream::Result<vmstream::QmpClient> connect_to_qemu(vmtools::Session& session,
                                                      const std::string& monitor,
                                                      vmstream::WaitLimits limits);

/// The QEMU of the options, likewise. It gets the descriptors that vmrestore was started with, but
/// those that are vmrestore's own by the options.
vmstream::Result<vmstream::QemuProcess> start_qemu(vmtools::Session& session,
                                                   const Options& options,
                                                   vmstream::WaitLimits limits);
/// The same by another command, and with more descriptors.
vmstream::Result<vmstream::QemuProcess> start_qemu(vmtools::Session& session,
                                                   const Options& options,
                                                   const std::vector<std::string>& command,
                                                   const std::vector<int>& more_fds,
                                                   vmstream::WaitLimits limits);

/// Flushes what has been reported, waits for the end of a QEMU started here, and gives the status
/// of the tool: `restored`, or that of a failure since. The guest runs, so nothing but a signal
/// ends it before its time. `meanwhile` is called several times a second.
vmtools::ExitStatus wait_for_qemu(vmtools::Session& session, vmstream::QemuProcess& qemu,
                                  const std::string& program, vmtools::ExitStatus restored,
                                  const std::function<void()>& meanwhile = {});

/// Sets the guest's clock, which stands at the time of the save, where the options say so.
/// `run_state` is the guest's: one that stands still has nobody
/// to set it.
vmstream::Status set_clock(const Options& options, const std::string& run_state,
                           vmstream::WaitLimits limits);

}  // namespace vmrestore
