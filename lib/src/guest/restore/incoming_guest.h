// SPDX-License-Identifier: MIT
// A QEMU that waits for a guest, and what becomes of the load.
#pragma once

#include <optional>
#include <string>

#include <vmstream/qmp.h>
#include <vmstream/restore.h>

namespace vmstream {

/// Fails unless this QEMU waits with -incoming defer.
Status require_waiting(QmpClient& qmp);

/// Waits until QEMU says that the guest has been loaded. A QEMU that ends meanwhile is an error
/// that says so.
Status await_loaded(QmpClient& qmp, const WaitLimits& limits);

/// A QEMU that gives up closes its end of the stream first and says why, or ends, a moment later.
/// One that has loaded the guest without reading the vmdesc is content. `error` is what is known of
/// the stream's end; it comes back where QEMU says nothing. `qmp` has `limits` afterwards.
Status explain_broken_load(QmpClient& qmp, const WaitLimits& limits, const Error& error);

/// Of a QEMU that has not got the end of its stream, and never will: one that says it has loaded
/// the guest all the same has been deceived. Its guest is stopped, which the error says; empty
/// where there is none. `qmp` has `limits` afterwards.
std::optional<Error> stop_unproved_guest(QmpClient& qmp, const WaitLimits& limits);

/// Lets a loaded guest run where that is wanted and it does not; QEMU's word for its run state.
Result<std::string> settle_run_state(QmpClient& qmp, RunState wanted);

}  // namespace vmstream
