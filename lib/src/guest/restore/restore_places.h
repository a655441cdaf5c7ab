// SPDX-License-Identifier: MIT
// The allowlist of a restore: which record may reach QEMU before its source has proved well.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include <vmstream/format.h>
#include <vmstream/result.h>

namespace vmstream {

/// What a section does where it is loaded, and so where it belongs.
enum class SectionPlace {
  Memory,       ///< guest memory: it runs nothing and touches no disk
  EarlyDevice,  ///< device state that the memory behind it needs
  Aside,        ///< waits; memory may overtake it
  Disks,        ///< waits; writes the destination's disks
  Device,       ///< waits, and all behind it: a device, or nobody knows what
};
SectionPlace place_of_section(const SectionHeader& header);

/// Errc::Malformed for a section that no QEMU writes and that QEMU could take for another: its name
/// holds control characters, an iterable one comes whole, or its parts would be any device's.
Status check_section(const SectionHeader& header);
bool is_plain_name(std::string_view name);

/// Whether the body of an EarlyDevice has exactly the form that QEMU reads, so that both agree on
/// where it ends.
bool is_early_device_body(std::span<const std::byte> body);

/// What becomes of a command.
enum class CommandPlace {
  Harmless,  ///< changes nothing that a guest or a disk could tell; keeps its place among what
             ///< waits
  Aside,     ///< waits; memory may overtake it
  Drop,      ///< left out: a plain load has no use for it
  Discard,   ///< left out, and the pages it takes back have to come again
  Package,   ///< opened: its head is left out, its records are treated as any others
  Refuse,    ///< no state file can be restored that holds it
};
/// The rule for a command, by its type and the length of its payload.
CommandPlace place_of_command(const Command& command);

}  // namespace vmstream
