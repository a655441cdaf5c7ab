// SPDX-License-Identifier: MIT
// Names that QEMU gives, and names that it has given to nothing. A name is all that tells which
// section or machine is meant, and often nothing else in the stream holds it against damage.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include <vmstream/stream_summary.h>

namespace vmstream {

/// Whether a release up to 11.0 has this capability.
bool is_known_capability(std::string_view name);
// One letter away from a well-known name is damage: nobody would have chosen such a name. What is
// farther away may be a name of a release that is not known here.
bool is_damaged_machine(std::string_view name);     ///< also with characters that no type has
bool is_of_no_release(QemuVersion machine_since);   ///< 3.0 to 10.2 have no minor above 2
bool is_damaged_block(std::string_view name);       ///< of a RAM block
bool is_damaged_iterable(std::string_view name);    ///< of a section that comes in parts
bool is_damaged_capability(std::string_view name);  ///< as configurations list them

/// Which instance ids a device has.
enum class Instances {
  Single,     ///< 0; releases before 1.0 gave some devices the number of their port
  OfBoard,    ///< 0, 1, 2 and so on
  Pluggable,  ///< with gaps where one was unplugged
};

/// A section of type FULL. Newer state of these devices comes in subsections.
struct KnownDevice {
  std::string_view name;  ///< behind the path of its bus
  uint32_t lowest_version;
  uint32_t highest_version;
  size_t body_bytes = 0;  ///< of the highest version, without subsections; 0 where it varies
  Instances instances = Instances::Single;
  size_t nested_bytes = 0;  ///< not 0: the usual length, with subsections in the middle of the body
  /// QEMU reads this version and those up to the highest one as the same fields.
  std::optional<uint32_t> alike_since = std::nullopt;

  /// Whether QEMU loads a body of the highest version under this one.
  bool reads_as_highest(uint32_t version) const {
    return version <= highest_version && version >= alike_since.value_or(highest_version);
  }
};

/// Null where the name is not known, which says nothing against it.
const KnownDevice* find_known_device(std::string_view idstr);
/// The idstr that QEMU gives where this one is called almost so: a bit of the name, or of the path
/// in front of it, is another. Without the path where that is hurt; empty where none is near.
std::string find_nearly_known_name(std::string_view idstr);
/// Whether the id begins with the address of a PCI device, "0000:00:01.3/".
bool has_pci_address(std::string_view idstr);

/// How long a body of the highest version is without its subsections.
std::optional<size_t> plain_body_bytes(const KnownDevice& device, std::span<const std::byte> body);
/// How long a subsection is that stands at the front of `bytes`: 0 where there is none, nothing
/// where only QEMU knows.
std::optional<size_t> subsection_bytes(std::span<const std::byte> bytes);

/// So many bytes stand behind the end of a body, or are missing there, of a device whose
/// subsections stand in the middle: fewer than any of those has.
std::optional<size_t> bytes_too_many(const KnownDevice& device, size_t body_bytes);
bool is_too_short(const KnownDevice& device, size_t body_bytes);

/// A head of a known device's section, in which one number may be wrong.
struct LikelyHead {
  size_t offset = 0;
  const KnownDevice* device = nullptr;
  bool is_sound = false;  ///< but for the id: QEMU loads what follows
};
std::optional<LikelyHead> find_likely_head(std::span<const std::byte> body);

/// Numbers that a destination has too, and compares.
struct WrongCount {
  size_t offset = 0;  ///< in the body
  uint32_t found = 0;
  uint32_t wanted = 0;
};
std::optional<WrongCount> find_wrong_count(const KnownDevice& device,
                                           std::span<const std::byte> body);

}  // namespace vmstream
