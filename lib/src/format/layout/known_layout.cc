// SPDX-License-Identifier: MIT
#include "format/layout/known_layout.h"

#include <algorithm>
#include <array>

#include "format/layout/layout_writer.h"
#include "format/layout/layouts.h"

namespace vmstream {
namespace {

void lay_out_segment_entry(LayoutWriter& out) {
  out.number("esid", "uint64");
  out.number("vsid", "uint64");
}

// Each begins with a byte that is not 0, and what its bus and device add has no length: it is the
// rest, with all requests behind the first.
void lay_out_scsi_requests(LayoutWriter& out) {
  constexpr uint64_t kCommandBytes = 16;
  if (out.left() > 1) {
    out.open("first");
    out.number("retry", "int8");
    out.bytes("cdb", kCommandBytes);
    out.number("tag", "uint32");
    out.number("lun", "uint32");
    out.close();
    if (out.left() == 0) return out.fail();
    out.bytes("of_bus_and_device", out.left() - 1);
  }
  if (out.number("end_of_requests", "int8") != 0) out.fail();
}

// libslirp: services of the host that the guest reaches, then the leases it has given.
void lay_out_slirp(LayoutWriter& out) {
  constexpr uint64_t kLeases = 16;
  if (out.number("end_of_services", "uint8") != 0) return out.fail();
  out.number("ip_id", "uint16");
  out.open_array("bootp_clients", kLeases);
  out.number("allocated", "uint16");
  out.array("macaddr", "uint8", 6);
  out.close();
}

void lay_out_tod_clock(LayoutWriter& out) {
  if (out.number("present", "bool") == 0) return;
  out.number("high", "uint8");
  out.number("low", "uint64");
}

void lay_out_storage_keys(LayoutWriter& out) {
  constexpr uint64_t kHasKeys = 2;
  constexpr uint64_t kFlags = 0xfff;
  while (out.left() > 8) {
    out.open("run");
    if ((out.number("address_and_flags", "uint64") & kFlags) != kHasKeys) return out.fail();
    uint64_t count = out.number("count", "uint64");
    out.bytes("keys", std::min(count, out.left() + 1));  // more than there are fails
    out.close();
  }
  constexpr uint64_t kEnd = 1;
  if (out.number("end_of_keys", "uint64") != kEnd) out.fail();
}

struct Layout {
  std::string_view name;
  void (*lay_out)(LayoutWriter&);
};

constexpr std::array kTypes{
    Layout{"pci config", lay_out_pci_config}, Layout{"pci irq state", lay_out_pci_irq_state},
    Layout{"msix state", lay_out_msix},       Layout{"shpc", lay_out_shpc},
    Layout{"virtio-gpu", lay_out_virtio_gpu}, Layout{"scsi-requests", lay_out_scsi_requests},
    Layout{"slbe", lay_out_segment_entry},
};
constexpr std::array kOldDevices{
    Layout{"slirp", lay_out_slirp},
    Layout{"todclock", lay_out_tod_clock},
    Layout{"s390-skeys", lay_out_storage_keys},
};
constexpr std::string_view kVirtio = "virtio";

const Layout* find(std::span<const Layout> table, std::string_view name) {
  auto found = std::ranges::find(table, name, &Layout::name);
  return found == table.end() ? nullptr : &*found;
}

template <typename LayOut>
std::shared_ptr<const VmdescField> lay_out(const VmdescField& field,
                                           std::span<const std::byte> bytes, LayOut lay_out) {
  LayoutWriter out(bytes);
  lay_out(out);
  if (!out.complete()) return nullptr;
  return std::make_shared<const VmdescField>(out.take(field.name, field.type));
}

std::shared_ptr<const VmdescField> find_virtio_layout(const VmdescField& field,
                                                      std::span<const std::byte> bytes,
                                                      std::string_view vmsd_name) {
  for (auto transport :
       {VirtioTransport::Pci, VirtioTransport::PciExpress, VirtioTransport::Mmio}) {
    auto layout = lay_out(field, bytes,
                          [&](LayoutWriter& out) { lay_out_virtio(out, transport, vmsd_name); });
    if (layout) return layout;
  }
  return nullptr;
}

}  // namespace

bool has_known_layout(std::string_view type) {
  return type == kVirtio || find(kTypes, type) != nullptr;
}

std::shared_ptr<const VmdescField> find_layout(const VmdescField& field,
                                               std::span<const std::byte> bytes,
                                               std::string_view vmsd_name) {
  if (field.type == kVirtio) return find_virtio_layout(field, bytes, vmsd_name);
  const Layout* known = find(kTypes, field.type);
  return known ? lay_out(field, bytes, known->lay_out) : nullptr;
}

std::shared_ptr<const VmdescField> find_device_layout(const VmdescField& field,
                                                      std::span<const std::byte> bytes,
                                                      std::string_view idstr) {
  const Layout* known = find(kOldDevices, idstr);
  return known ? lay_out(field, bytes, known->lay_out) : nullptr;
}

}  // namespace vmstream
