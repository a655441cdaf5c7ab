// SPDX-License-Identifier: MIT
#include "guest/capture/capture_listener.h"

#include "base/json.h"

namespace vmstream {
namespace {

constexpr const char* kMoment = "pre-switchover";

bool is_moment(const QmpEvent& event) {
  if (event.name != "MIGRATION") return false;
  auto details = parse_object(event.data);
  return details && text_member(*details, "status") == kMoment;
}

}  // namespace

// QEMU writes nothing before it is told to go on, and so answers at once.
Status SnapshotAtSwitchover::on_event(const QmpEvent& event) {
  if (!is_moment(event)) return ok();
  if (auto taken = disks_.take(qmp_); !taken) return taken;
  auto going_on = qmp_.execute("migrate-continue", to_text({{"state", kMoment}}));
  return going_on ? ok() : Status(going_on.error());
}

// QEMU may be unable to answer before its stream moves; should it refuse, resume() will say so.
Status GoOnOnceProtected::on_turn() {
  if (told_ || !page_seen_()) return ok();
  told_ = true;
  return qmp_.post("cont");
}

}  // namespace vmstream
