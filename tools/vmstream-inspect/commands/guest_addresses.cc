// SPDX-License-Identifier: MIT
#include "vmstream-inspect/commands/guest_addresses.h"

#include <fmt/format.h>

namespace vminspect {

using vmstream::Errc;
using vmstream::Error;
using vmstream::Result;
using vmstream::Status;

vmstream::ReadPhysical AddressedGuest::reader() {
  return [this](uint64_t address, std::span<std::byte> into) -> Status {
    auto done = memory->read(address, into);
    if (!done) return done.error();
    if (done->hole_bytes == 0) return vmstream::ok();
    return Error{Errc::Unsupported,
                 fmt::format("the guest has no memory, or not only, in the {} bytes from physical "
                             "address {:#x} on",
                             into.size(), address)};
  };
}

Result<std::unique_ptr<AddressedGuest>> open_addresses(vmtools::Session& session,
                                                       const InspectOptions& options,
                                                       bool with_cpus) {
  auto guest = open_guest(session, options, IndexTrust::Quick, vmstream::holds_registers);
  if (!guest) return guest.error();
  auto opened = std::make_unique<AddressedGuest>(AddressedGuest{std::move(*guest), {}, nullptr});
  opened->memory =
      std::make_unique<vmstream::PhysicalMemory>(opened->guest.map, opened->guest.memory->image);
  if (!with_cpus) return opened;
  auto cpus = vmstream::read_cpu_registers(*opened->guest.devices.collector);
  if (!cpus) return cpus.error();
  opened->cpus = std::move(*cpus);
  if (auto kept = keep_chosen(opened->cpus, options.cpu); !kept) return kept.error();
  return opened;
}

Result<vmstream::AddressSpace> chosen_space(const AddressedGuest& guest,
                                            const InspectOptions& options) {
  auto space = vmstream::AddressSpace::of_cpu(guest.cpus.front());
  return space && options.root ? space->with_root(*options.root) : space;
}

}  // namespace vminspect
