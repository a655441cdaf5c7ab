// SPDX-License-Identifier: MIT
#include "guest/capture/guest_state.h"

namespace vmstream {

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
  auto now = query_run_status(qmp);
  if (!now) return now.error();
  if (now->running) return ok();
  if (auto done = qmp.execute("cont"); !done) return done.error();
  return ok();
}

}  // namespace vmstream
