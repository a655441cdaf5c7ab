// SPDX-License-Identifier: MIT
// The state of a virtio device, which is saved as one field without a description.
#pragma once

#include <string_view>

namespace vmstream {

class LayoutWriter;

/// How the device is attached, which decides what precedes the state that all devices share. The
/// bytes do not tell: only the right one ends where the field does.
enum class VirtioTransport { Pci, PciExpress, Mmio };

/// The whole field `virtio` of a device whose declaration is named `vmsd_name`.
void lay_out_virtio(LayoutWriter& out, VirtioTransport transport, std::string_view vmsd_name);

}  // namespace vmstream
