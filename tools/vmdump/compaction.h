// SPDX-License-Identifier: MIT
// A save whose pages are put into order before they are written.
#pragma once

#include <memory>
#include <optional>

#include <vmstream/capture.h>
#include <vmstream/output_file.h>
#include <vmstream/state_writer.h>
#include "vmdump/options.h"

namespace vmdump {

/// Keeps the plain stream in a file without a name, beside the output, until it has come to its
/// end; only then is it known which copy of a page is the last. Destroyed, it leaves nothing.
class Compaction {
 public:
  /// Makes `capture` give its index here. `options` has an output file.
  static vmstream::Result<std::unique_ptr<Compaction>> open(const Options& options,
                                                            vmstream::CaptureOptions& capture);

  /// Takes the plain stream.
  vmstream::ByteSink& entrance() { return *scratch_; }

  /// After the capture: moves what was kept into `writer`, each page once, finishes it, and enters
  /// into `summary` what the file holds now.
  vmstream::Status rewrite(vmstream::StateWriter& writer, vmstream::CaptureObserver& observer,
                           vmstream::CaptureSummary& summary);

 private:
  explicit Compaction(const vmstream::CaptureOptions& capture) : capture_(capture) {}

  vmstream::CaptureOptions capture_;  // as it was: how the rewritten stream is looked at
  std::unique_ptr<vmstream::OutputFile> scratch_;
  std::optional<vmstream::StateIndex> index_;
};

}  // namespace vmdump
