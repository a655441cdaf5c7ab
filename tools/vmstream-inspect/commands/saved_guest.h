// SPDX-License-Identifier: MIT
// A saved guest as a machine: its devices, and its memory by physical addresses.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <vmstream/output_file.h>
#include <vmstream/physical_map.h>
#include <vmstream/ram_image.h>
#include <vmstream/state_file.h>
#include "common/tool.h"
#include "vmstream-inspect/commands/device_reading.h"
#include "vmstream-inspect/options.h"

namespace vminspect {

/// How far the index that a file carries is believed.
enum class IndexTrust {
  Quick,  ///< it is used; what it says is held against the stream's framing
  None,   ///< the stream is read from front to end first, and must be whole
};

/// Memory that can be read by position. It stays where it is.
struct OpenedMemory {
  /// The plain stream in a file without a name, where the guest's own cannot be read by position.
  std::unique_ptr<vmstream::OutputFile> spool;
  vmstream::StateFile file;
  vmstream::RamImage image;
  std::vector<vmstream::Container> containers;  ///< of the guest's own file
  std::string sha256;  ///< of the plain stream, where a record is wanted and all of it was read
};

/// A file that cannot be read by position, or that comes once, is unpacked beside the options'
/// output first, with IndexTrust::None; else that is Errc::Unsupported, with what to do.
vmstream::Result<std::unique_ptr<OpenedMemory>> open_memory(vmtools::Session& session,
                                                            const InspectOptions& options,
                                                            IndexTrust trust);

/// Devices and map; memory where it was opened.
struct SavedGuest {
  DeviceReading devices;                 ///< the sections that were wanted, and those of the map
  std::unique_ptr<OpenedMemory> memory;  ///< may be null after map_guest()
  vmstream::PhysicalMap map;
};

/// What --place says. Errc::Usage.
vmstream::Result<std::vector<vmstream::PlacedBlock>> read_places(const InspectOptions& options);

/// Reads devices and draws up the map by them and the options' --place. Memory is opened where the
/// map cannot do without, if it can be.
vmstream::Result<SavedGuest> map_guest(vmtools::Session& session, const InspectOptions& options,
                                       const vmstream::DeviceCollector::Wanted& wanted = {});
/// The same with memory. What is not proved of the map is told.
vmstream::Result<SavedGuest> open_guest(vmtools::Session& session, const InspectOptions& options,
                                        IndexTrust trust,
                                        const vmstream::DeviceCollector::Wanted& wanted = {});

/// Where the device vmcoreinfo says the guest's note is.
std::optional<uint64_t> find_note_address(const vmstream::DeviceCollector& devices);

}  // namespace vminspect
