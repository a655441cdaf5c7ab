// SPDX-License-Identifier: MIT
// What single kinds of virtio devices save of their own, between the common state and the
// subsections.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

namespace vmstream {

class LayoutWriter;

/// Queues a device may have; tables of them are saved whole.
inline constexpr uint64_t kVirtioQueues = 1024;

/// What the common state tells of the device behind it.
struct VirtioContext {
  uint64_t features = 0;              ///< the lower half
  uint64_t bytes = 0;                 ///< of the device's own state
  std::span<const std::byte> config;  ///< the config space
};

/// The device's own state, `context.bytes` of it; bytes where the device is not known.
void lay_out_virtio_device(LayoutWriter& out, std::string_view vmsd_name,
                           const VirtioContext& context);
/// The field `virtio-gpu`: resources, then scanouts.
void lay_out_virtio_gpu(LayoutWriter& out);

}  // namespace vmstream
