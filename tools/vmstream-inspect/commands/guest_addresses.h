// SPDX-License-Identifier: MIT
// A saved guest with its processors, for questions about addresses.
#pragma once

#include <memory>
#include <vector>

#include <vmstream/address_space.h>
#include <vmstream/cpu_registers.h>
#include <vmstream/physical_map.h>
#include "vmstream-inspect/commands/saved_guest.h"

namespace vminspect {

/// Stays where it is: the reader points into it.
struct AddressedGuest {
  SavedGuest guest;
  std::vector<vmstream::CpuRegisters> cpus;  ///< those that --cpu leaves; none where not wanted
  std::unique_ptr<vmstream::PhysicalMemory> memory;

  /// Errc::Unsupported for addresses where the guest has no memory.
  vmstream::ReadPhysical reader();
};

vmstream::Result<std::unique_ptr<AddressedGuest>> open_addresses(vmtools::Session& session,
                                                                 const InspectOptions& options,
                                                                 bool with_cpus);

/// The address space that the options mean: of --cpu or the first processor, with --root.
vmstream::Result<vmstream::AddressSpace> chosen_space(const AddressedGuest& guest,
                                                      const InspectOptions& options);

/// Leaves only the chosen one, if one was; Errc::Usage if there is none of that number.
vmstream::Status keep_chosen(std::vector<vmstream::CpuRegisters>& cpus,
                             std::optional<uint64_t> chosen);

}  // namespace vminspect
