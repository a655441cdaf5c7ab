// SPDX-License-Identifier: MIT
// The way to the file as a shell would take it, for --explain.
#pragma once

#include <string>

#include "vmdump/options.h"

namespace vmdump {

/// The commands that compress and encrypt their standard input, and where to: "zstd -3 -c >
/// guest.zst". With --mapped-ram, where nothing passes through, the file alone.
std::string output_recipe(const Options& options);

}  // namespace vmdump
