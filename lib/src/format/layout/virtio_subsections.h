// SPDX-License-Identifier: MIT
// The subsections within `virtio`, which no description names.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include <vmstream/device_state.h>

namespace vmstream {

/// A head that is nearly that of a subsection which QEMU knows (hw/virtio/virtio.c, virtio-pci.c).
struct DamagedSubsection {
  uint64_t offset = 0;         ///< of its mark, in the plain stream
  std::string_view name = {};  ///< as it stands there; views the field's bytes
  uint8_t mark = 0;            ///< wanted 5
  uint32_t version = 0;        ///< wanted 1

  bool is_name = false;  ///< the name is right, and its length

  /// Of a version QEMU looks at the low byte only.
  bool stops_a_load() const { return !is_name || mark != 5 || version % 256 != 1; }
};

/// The first one in a field of type "virtio".
std::optional<DamagedSubsection> find_damaged_subsection(const DeviceField& virtio);

}  // namespace vmstream
