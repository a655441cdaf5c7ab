// SPDX-License-Identifier: MIT
// Which way a guest is saved, and what QEMU must be set to for it.
#pragma once

#include <string>

#include <vmstream/capture.h>
#include "guest/migration/migration_settings.h"

namespace vmstream {

/// The capability by which QEMU waits before it ends a stream: the moment of the disks.
inline constexpr const char* kPauseAtEnd = "pause-before-switchover";

/// A mode that QEMU has agreed to.
struct ChosenMode {
  CaptureMode mode = CaptureMode::Stop;  ///< never Auto
  std::string reason;                    ///< why it is not Background, or what was asked for
};

/// What QEMU must be set to for a save in `mode`, which is not Auto.
MigrationSettings::Capabilities capabilities_for(CaptureMode mode, const CaptureOptions& options);
MigrationSettings::Parameters parameters_for(CaptureMode mode, const CaptureOptions& options);

/// Chooses by `options` and sets capabilities; the guest is not touched. Where QEMU refuses a
/// background save, that is Errc::Unsupported, or with Auto the next best is taken. So is a live
/// save in which this QEMU would abort.
Result<ChosenMode> prepare_mode(QmpClient& qmp, MigrationSettings& settings,
                                const CaptureOptions& options, bool guest_runs);

/// What a person should know of this QEMU before a live save: it may lose pages of a guest that
/// runs meanwhile. Else empty.
Result<std::string> danger_of_live_save(QmpClient& qmp);
/// The same of a QEMU of this version that emulates its guest, without KVM.
std::string danger_of_emulated_save(const std::string& qemu_version);

/// Whether this QEMU leaves memory write-protected, and so its guest hanging, when a background
/// snapshot does not come to its good end.
bool stays_protected(const std::string& qemu_version);

}  // namespace vmstream
