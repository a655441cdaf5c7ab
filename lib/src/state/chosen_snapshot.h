// SPDX-License-Identifier: MIT
// The snapshot of a disk image whose state is read.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <vmstream/image_snapshot.h>
#include <vmstream/random_source.h>
#include <vmstream/result.h>
#include "container/qcow2/snapshot_source.h"

namespace vmstream {

/// A state within an image. A plain value, for any number of readers.
struct ChosenSnapshot {
  LocatedState state;
  std::shared_ptr<const ImageSnapshot> facts;  ///< for Container::snapshot
};

/// Empty where `file` is no disk image; then `name` must be empty too, else Errc::Usage.
Result<std::optional<ChosenSnapshot>> choose_snapshot(RandomSource& file,
                                                      const std::optional<std::string>& name);

/// The table of an image; empty where `file` is none.
Result<std::optional<ImageSnapshots>> list_snapshots(RandomSource& file);

/// What its header says of an image that people should know; empty where `file` is none that can be
/// read.
std::optional<std::vector<std::string>> header_warnings(RandomSource& file);

}  // namespace vmstream
