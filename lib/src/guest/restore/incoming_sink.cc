// SPDX-License-Identifier: MIT
#include "guest/restore/incoming_sink.h"

#include "base/json.h"

namespace vmstream {

Status IncomingSink::begin() {
  // Before the load `stop` is QEMU's way to say that the guest shall not start after it.
  if (start_paused_) {
    if (auto done = qmp_.execute("stop"); !done) return done.error();
  }
  auto opened = MigrationLink::open(qmp_, MigrationLink::Direction::ToQemu);
  if (!opened) return opened.error();
  link_.emplace(std::move(*opened));
  auto begun = qmp_.execute("migrate-incoming", to_text({{"uri", link_->uri()}}));
  if (!begun) {
    MigrationLink::forget(qmp_);
    return begun.error();
  }
  if (auto met = link_->await_peer(qmp_, watch_.limits()); !met) return met;
  pipe_.emplace(link_->descriptor(), watch_);
  return ok();
}

Status IncomingSink::write(std::span<const std::byte> bytes) {
  if (!pipe_) {
    if (auto begun = begin(); !begun) return begun;
  }
  auto written = pipe_->write(bytes);
  if (!written) broken_ = written.error().code == Errc::Environment;
  return written;
}

Status IncomingSink::finish() {
  pipe_.reset();
  link_.reset();
  return ok();
}

}  // namespace vmstream
