// SPDX-License-Identifier: MIT
#include "guest/capture/guest_state.h"

#include "io/wait.h"

namespace vmstream {
namespace {

constexpr auto kPatience = std::chrono::seconds(5);
constexpr auto kInterval = std::chrono::milliseconds(2);

// QEMU says completed a moment before it lets the guest go on.
Result<RunStatus> await_finished(QmpClient& qmp) {
  WaitLimits limits{.deadline = Clock::now() + kPatience};
  for (;;) {
    auto status = query_run_status(qmp);
    if (!status || status->name != "finish-migrate") return status;
    auto waited = pause_within(kInterval, limits, "QEMU to finish the migration");
    if (!waited) return waited.error();
  }
}

}  // namespace

Result<GuestState> GuestState::read(QmpClient& qmp) {
  auto status = query_run_status(qmp);
  if (!status) return status.error();
  GuestState state;
  state.found_ = std::move(*status);
  return state;
}

Status GuestState::stop(QmpClient& qmp) {
  if (!was_running()) return ok();
  if (auto done = qmp.execute("stop"); !done) return done.error();
  return ok();
}

Status GuestState::resume(QmpClient& qmp) {
  if (!was_running()) return ok();
  auto now = await_finished(qmp);
  if (!now) return now.error();
  if (now->running) return ok();
  if (auto done = qmp.execute("cont"); !done) return done.error();
  return ok();
}

}  // namespace vmstream
