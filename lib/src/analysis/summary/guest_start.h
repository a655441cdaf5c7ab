// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <optional>

#include <vmstream/stream_summary.h>

namespace vmstream::analysis {

/// `power_version`: the processor version register of a Power machine.
StartArguments start_arguments(const StreamSummary& summary, std::optional<uint32_t> power_version);

}  // namespace vmstream::analysis
