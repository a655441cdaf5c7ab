// SPDX-License-Identifier: MIT
// The parts of a PCI device that are saved as bytes of their own form.
#pragma once

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

}  // namespace vmstream
