// SPDX-License-Identifier: MIT
// What a restore tells, shown.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include <vmstream/restore.h>
#include "common/progress.h"
#include "common/tool.h"
#include "vmrestore/claim.h"
#include "vmrestore/guest.h"

namespace vmrestore {

/// Shows what the restore tells.
class Observer final : public vmstream::RestoreObserver {
 public:
  Observer(vmtools::Session& session, std::string subject, InputClaim& claim)
      : session_(session),
        subject_(std::move(subject)),
        progress_(session, "restore"),
        claim_(claim) {}

  void on_progress(const vmstream::StreamCounts& counts) override { progress_.update(counts); }
  void on_warning(const std::string& text) override { session_.messages().warning(subject_, text); }
  void on_point_of_no_return() override {
    session_.change_guest(kMayHaveRun);
    claim_.keep();
  }
  void on_refusal(const std::string& words) override { refusal_ = words; }
  /// QEMU's, of a stream that it did not take.
  const std::optional<std::string>& refusal() const { return refusal_; }
  void enter(std::string_view phase) { progress_.enter(phase); }

 private:
  vmtools::Session& session_;
  std::string subject_;
  vmtools::Progress progress_;
  InputClaim& claim_;
  std::optional<std::string> refusal_;
};

}  // namespace vmrestore
