// SPDX-License-Identifier: MIT
// What a QEMU says of its devices without a guest: the JSON of its option -dump-vmstate.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include <vmstream/format.h>
#include <vmstream/result.h>
#include <vmstream/vmdesc.h>

namespace vmstream {

/// The declarations of all devices that a build of QEMU has. They hold names and sizes, but no
/// types, no number of elements before QEMU 8.1, and not which of the optional fields were sent.
/// Some devices (cpu, apic, timer) have none. A value that is cheap to copy.
class VmstateDump {
 public:
  /// Nesting and the number of fields are bounded.
  static Result<VmstateDump> parse(std::string_view json);

  /// The machine type it was made for; empty where that is not said.
  const std::string& machine() const;

  /// A description of this very body, by the declaration whose name its idstr ends with. Numbers
  /// are unsigned, whatever they are. Errc::Unsupported, with the reason, unless there is exactly
  /// one way to leave out optional fields so that the others end where the body does.
  Result<VmdescDevice> describe(const SectionHeader& header, std::span<const std::byte> body) const;

 private:
  struct Declarations;
  explicit VmstateDump(std::shared_ptr<const Declarations> declarations);

  std::shared_ptr<const Declarations> declarations_;
};

}  // namespace vmstream
