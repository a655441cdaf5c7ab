// SPDX-License-Identifier: MIT
// What must hold of every decoded device, whoever described it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include <vmstream/device_state.h>

namespace fuzz {

/// Whether the fields and subsections lie side by side from the first byte of a body to its last.
inline bool fills(const vmstream::DeviceState& state, size_t size) {
  uint64_t end = 0;
  for (const vmstream::DeviceField& field : state.fields) {
    if (field.offset != end) return false;
    end += field.size();
  }
  for (const vmstream::DeviceSubsection& subsection : state.subsections) {
    if (subsection.offset != end) return false;
    end += subsection.size;
  }
  return end == size;
}

/// Asks for all that can be asked of a field.
inline void read_values(const std::vector<vmstream::DeviceField>& fields) {
  for (const vmstream::DeviceField& field : fields) {
    if (field.array_len) field.element(*field.array_len - 1);
    field.as_unsigned();
    field.as_signed();
    field.as_text();
    field.as_bit_ranges();
    read_values(field.fields);
  }
}

}  // namespace fuzz
