// SPDX-License-Identifier: MIT
// The layouts that are known, each laid out by a LayoutWriter: of PCI and of virtio devices.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

namespace vmstream {

class LayoutWriter;

/// The configuration space, 256 bytes or 4096: header, capabilities, what the device adds.
void lay_out_pci_config(LayoutWriter& out);
/// The levels of the four interrupt pins.
void lay_out_pci_irq_state(LayoutWriter& out);
/// The MSI-X table with one entry a vector, then a pending bit for each.
void lay_out_msix(LayoutWriter& out);
/// Registers of a standard hot-plug controller.
void lay_out_shpc(LayoutWriter& out);

/// How the device is attached, which decides what precedes the state that all devices share. The
/// bytes do not tell: only the right one ends where the field does.
enum class VirtioTransport { Pci, PciExpress, Mmio };

/// The whole field `virtio` of a device whose declaration is named `vmsd_name`.
void lay_out_virtio(LayoutWriter& out, VirtioTransport transport, std::string_view vmsd_name);

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

/// The config space as the guest sees it, `bytes` of it, of a device whose declaration is named
/// `vmsd_name`. What of it is not known stays bytes. Looks ahead at the subsections behind the
/// device for the order of its bytes.
void lay_out_virtio_config(LayoutWriter& out, std::string_view vmsd_name, uint64_t bytes);

}  // namespace vmstream
