// SPDX-License-Identifier: MIT
// What a GuestCapture is by: a monitor or libvirt.
#pragma once

#include <optional>

#include <vmstream/capture.h>

namespace vmstream {

/// Each function as the one of GuestCapture.
struct GuestCapture::State {
  virtual ~State() = default;
  virtual Result<CaptureSummary> rehearse() = 0;
  virtual Result<CaptureSummary> capture(ByteSink& sink) = 0;
  virtual Result<CaptureSummary> capture_mapped(OutputFile& file) = 0;
  virtual Status complete() = 0;
  virtual void abandon() = 0;
  virtual GuestFate fate() const = 0;
  virtual const std::optional<Error>& recovery_error() const = 0;
};

}  // namespace vmstream
