// SPDX-License-Identifier: MIT
// How the guest of a stream is started again, and what its clocks showed when it was saved.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace vmstream {

/// A device, or memory, that the destination has only where an option asks for it.
struct StartDevice {
  std::string idstr;     ///< of its section, or the name of its RAM block; not escaped
  std::string argument;  ///< "-device virtio-net-pci,addr=0x3"; empty where it is not known
};

/// Arguments for the QEMU that is to load a stream, as far as the stream tells them. What lies
/// outside of a guest's state (disks, networks, files, most processor models) is not in a stream.
struct StartArguments {
  std::string machine;        ///< versioned type, not escaped; empty where the stream has none
  uint64_t memory_bytes = 0;  ///< for -m: the guest's own memory, no ROMs; 0 where not known
  uint64_t cpus = 0;          ///< for -smp
  std::string cpu;            ///< for -cpu; empty where the stream does not tell
  bool kvm = false;           ///< it has state that only KVM takes
  std::string uuid;           ///< for -uuid, which the destination compares; empty without
  bool nodefaults = false;    ///< a PC without what it has of itself
  std::vector<StartDevice> devices = {};

  /// "-machine pc-i440fx-7.2 -m 128M -smp 4", without the devices; empty where nothing is known.
  /// Quoted for a shell, as the arguments of devices are, but not escaped.
  std::string text() const;
};

/// "128M", "2G": as it is typed behind -m.
std::string memory_argument(uint64_t bytes);

/// Clocks at the moment of the save.
struct GuestClocks {
  /// The date in the RTC, in seconds since 1970 of the calendar that the guest keeps in it: UTC or
  /// local time.
  std::optional<int64_t> rtc_seconds = std::nullopt;
  std::optional<uint64_t> kvmclock_ns = std::nullopt;  ///< since the guest was started
  std::optional<uint64_t> run_ns = std::nullopt;       ///< for how long it has run
  /// The source's own clock, in seconds since 1970 UTC, where the RTC went by it.
  std::optional<int64_t> saved_seconds = std::nullopt;

  bool operator==(const GuestClocks&) const = default;
};

}  // namespace vmstream
