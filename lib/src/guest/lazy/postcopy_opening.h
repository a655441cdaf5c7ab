// SPDX-License-Identifier: MIT
// What the destination of a postcopy migration is told before it may ask for pages.
#pragma once

#include <vector>

#include <vmstream/byte_sink.h>
#include <vmstream/lazy_restore.h>
#include "guest/lazy/lazy_reader.h"
#include "guest/lazy/served_blocks.h"

namespace vmstream {

/// Value of the ping that stands behind the last device: its pong says that all of them are loaded.
inline constexpr uint32_t kDevicesLoadedPing = 3;

/// Writes everything from the stream's header to the command that lets the guest run:
///
///   header, configuration; commands: return path, advise; the first sections of memory and of
///   disks (and early devices), all there is of disks; discard; package { listen, devices, ping,
///   run }
///
/// Sections are copied as they were saved, but for the list of RAM blocks, which becomes one
/// without mapped-ram's places and with the destination's page sizes. Each is held against what the
/// index says of it. `before_package` is called when nothing but the package is left.
Status write_opening(const LazyReader& reader, const StateIndex& index,
                     const std::vector<ServedBlock>& blocks, ByteSink& out,
                     const std::function<Status()>& before_package = {});

/// Whether the state says of itself that the guest ran. A state that says nothing did.
Result<bool> was_saved_running(const LazyReader& reader, const StateIndex& index);

/// What all sections of the guest's memory need that are written anew.
struct RamSection {
  uint32_t section_id = 0;
  bool footer = false;
};
Result<RamSection> find_ram_section(const StateIndex& index);

}  // namespace vmstream
