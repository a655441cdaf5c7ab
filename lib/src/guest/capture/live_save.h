// SPDX-License-Identifier: MIT
// A save beside the running guest: when it is to end.
#pragma once

#include <optional>
#include <vector>

#include <vmstream/capture.h>
#include "guest/monitor/query.h"

namespace vmstream {

/// Follows the passes of a precopy by what QEMU says of them, applies the rules after each, and
/// makes QEMU stop the guest and send the rest when one holds.
///
/// It does so by the longest downtime limit there is, not by `stop`: the rest then goes at full
/// speed whatever the bandwidth limit, the stream says that the guest was running, and if this
/// process dies it is QEMU that lets the guest go on.
class LiveSave {
 public:
  /// What QEMU had sent when it looked for the pages that the guest had dirtied meanwhile.
  struct Look {
    uint64_t pages_sent = 0;  ///< since the start
    uint64_t bytes_sent = 0;  ///< likewise
    CapturePass pass;         ///< since the look before
  };

  /// All borrowed; `observer` may be null.
  LiveSave(QmpClient& qmp, const CaptureOptions& options, CaptureObserver* observer);

  /// A pass is over.
  void on_pass() { ask_now_ = true; }
  /// Asks QEMU, hears its answers and decides; never waits. A guest that stands still leaves
  /// nothing to decide.
  Status on_turn(bool guest_stands_still);

  /// The rule that ended the save; Downtime where QEMU found the end by itself.
  EndedBy ended_by() const { return ended_by_.value_or(EndedBy::Downtime); }
  const std::vector<Look>& looks() const { return looks_; }
  /// Pass by pass as QEMU tells, up to `end`: for files that do not show them.
  std::vector<CapturePass> passes(const RamProgress& end) const;
  /// Writes into `passes`, as the stream shows them, what QEMU found dirty in each.
  void tell_dirtied(std::vector<CapturePass>& passes) const;
  /// By how much it missed converging, where it had to be ended.
  std::optional<Shortfall> shortfall() const { return ended_by_ ? shortfall_ : std::nullopt; }

 private:
  enum class Asked { Nothing, Progress, End };

  Status take_answer();
  Status ask_next();
  void on_progress(const RamProgress& ram);
  void on_look(const RamProgress& ram);
  void end(EndedBy why);
  void report(const RamProgress& ram);
  bool converges() const;

  QmpClient& qmp_;
  const CaptureOptions& options_;
  CaptureObserver* observer_;
  Convergence convergence_;
  std::optional<EndedBy> ended_by_;
  std::optional<Shortfall> shortfall_;
  std::vector<Look> looks_;
  RamProgress last_;  // as of the last answer
  Clock::time_point last_at_ = Clock::now();
  Clock::time_point looked_at_ = last_at_;
  Clock::time_point next_question_ = last_at_;
  Asked asked_ = Asked::Nothing;
  bool ask_now_ = false;
  bool ending_ = false;  // QEMU has been told
};

}  // namespace vmstream
