// SPDX-License-Identifier: MIT
// What a person sees while a save runs.
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include <vmstream/capture.h>
#include <vmstream/state_writer.h>
#include "common/progress.h"
#include "common/signals.h"
#include "common/tool.h"

namespace vmdump {

/// Shows progress and warnings of a capture, and answers requests for its status, also when nothing
/// moves.
class SaveObserver final : public vmstream::CaptureObserver {
 public:
  /// `session` is borrowed. `subject` names in warnings where the stream comes from; `phase` is the
  /// first stage. `has_guest`: it comes from a guest, which may stand still meanwhile.
  SaveObserver(vmtools::Session& session, std::string subject, std::string_view phase,
               bool has_guest);

  /// For WaitLimits.
  const std::function<void()>* meanwhile() const { return &meanwhile_; }
  /// What has come out so far is told too. `writer` is borrowed; `by_position`: its file has
  /// holes.
  void watch(vmstream::StateWriter& writer, bool by_position);
  /// A stage has begun, "sync" for instance.
  void enter(std::string_view phase);

  void on_progress(const vmstream::StreamCounts& counts) override;
  void on_live(const vmstream::LiveProgress& live) override;
  void on_pause(bool stands_still) override;
  void on_warning(const std::string& text) override;

 private:
  void answer_request();
  double paused_seconds() const;
  vmtools::ProgressDetail detail() const;

  vmtools::Session& session_;
  std::string subject_;
  bool has_guest_;
  vmtools::Progress progress_;
  std::optional<vmstream::LiveProgress> live_;
  std::optional<vmstream::Clock::time_point> stands_still_since_;
  double earlier_pauses_ = 0;  // seconds
  vmtools::StatusRequests status_requests_;
  std::function<void()> meanwhile_;
};

}  // namespace vmdump
