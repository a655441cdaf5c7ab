// SPDX-License-Identifier: MIT
// Transport, common state, the device's own state, subsections. What a device adds has no length:
// it ends where the first subsection of `virtio` begins.
#include "format/layout/layouts.h"

#include <algorithm>
#include <span>

#include "format/layout/layout_writer.h"

namespace vmstream {
namespace {

constexpr std::string_view kSubsections = "virtio/";

// Vectors by the MSI-X capability in a saved configuration space.
uint64_t msix_vectors(std::span<const std::byte> config) {
  constexpr std::byte kMsix{0x11};
  auto at = [&](size_t place) { return std::to_integer<size_t>(config[place]); };
  size_t place = at(0x34) & ~size_t{3};
  for (int seen = 0; place >= 0x40 && seen < 48; ++seen) {
    if (config[place] == kMsix) return ((at(place + 3) << 8 | at(place + 2)) & 0x7ff) + 1;
    place = at(place + 1) & ~size_t{3};
  }
  return 0;
}

// True where each queue has a vector of its own.
bool lay_out_transport(LayoutWriter& out, VirtioTransport transport) {
  constexpr uint64_t kIrqStateBytes = 16;
  constexpr uint64_t kTableEntryBytes = 16;
  out.open("transport");
  uint64_t vectors = 0;
  if (transport == VirtioTransport::Mmio) {
    for (std::string_view name : {"host_features_sel", "guest_features_sel", "guest_page_shift"}) {
      out.number(name, "uint32");
    }
  } else {
    uint64_t config_bytes = transport == VirtioTransport::Pci ? 256 : 4096;
    out.number("version_id", "int32 le");
    auto config = out.rest();
    out.bytes("config", config_bytes, "pci config");
    out.bytes("irq_state", kIrqStateBytes, "pci irq state");
    if (out.left() > 0) vectors = msix_vectors(config);
    out.bytes("msix", kTableEntryBytes * vectors + (vectors + 7) / 8, "msix state");
    if (vectors > 0) out.number("config_vector", "uint16");
  }
  out.close();
  return vectors > 0;
}

void lay_out_queues(LayoutWriter& out, VirtioTransport transport, bool with_vectors) {
  uint64_t queues = out.number("queue_count", "uint32");
  if (queues == 0) return;
  out.open_array("queues", queues);
  out.number("num", "uint32");
  if (transport == VirtioTransport::Mmio) out.number("align", "uint32");
  out.number("desc", "uint64");
  out.number("last_avail_idx", "uint16");
  if (with_vectors) out.number("vector", "uint16");
  out.close();
}

// A table with an entry for each queue that is possible. Those behind the last that holds anything
// are one field.
template <typename Entry>
void lay_out_table(LayoutWriter& out, std::string_view name, uint64_t entry_bytes, Entry entry) {
  auto table = out.rest().first(std::min<size_t>(out.left(), kVirtioQueues * entry_bytes));
  auto last =
      std::find_if(table.rbegin(), table.rend(), [](std::byte b) { return b != std::byte{0}; });
  uint64_t used_bytes = static_cast<uint64_t>(table.rend() - last);
  uint64_t used = (used_bytes + entry_bytes - 1) / entry_bytes;
  if (used > 0) {
    out.open_array(name, used);
    entry();
    out.close();
  }
  out.bytes("unused", (kVirtioQueues - used) * entry_bytes);
}

void lay_out_ring_addresses(LayoutWriter& out) {
  out.array("desc", "uint32", 2);
  out.array("avail", "uint32", 2);
  out.array("used", "uint32", 2);
}

void lay_out_extra_state(LayoutWriter& out) {
  if (out.open_subsection("virtio_pci/modern_state")) {
    out.number("dfselect", "uint32");
    out.number("gfselect", "uint32");
    out.array("guest_features", "uint32", 2);
    lay_out_table(out, "vqs", 28, [&] {
      out.number("num", "uint16");
      out.bytes("padding", 1, "unused_buffer");
      out.number("enabled", "bool");
      lay_out_ring_addresses(out);
    });
    if (out.subsection_at().starts_with("virtio_pci/")) {
      out.open_subsection(out.subsection_at());
      out.bytes("data", out.distance_to_subsection(kSubsections));
      out.close();
    }
    out.close();
  }
  if (out.open_subsection("virtio_mmio/state")) {
    out.array("guest_features", "uint32", 2);
    lay_out_table(out, "vqs", 27, [&] {
      out.number("num", "uint16");
      out.number("enabled", "bool");
      lay_out_ring_addresses(out);
    });
    out.close();
  }
}

void lay_out_subsection(LayoutWriter& out, std::string_view name) {
  if (name == "device_endian") {
    out.number("device_endian", "uint8");
  } else if (name == "64bit_features" || name == "128bit_features") {
    out.number("guest_features", "uint64");
  } else if (name == "virtqueues") {
    lay_out_table(out, "vq", 16, [&] {
      out.number("avail", "uint64");
      out.number("used", "uint64");
    });
  } else if (name == "packed_virtqueues") {
    lay_out_table(out, "vq", 10, [&] {
      out.number("last_avail_idx", "uint16");
      out.number("last_avail_wrap_counter", "bool");
      out.number("used_idx", "uint16");
      out.number("used_wrap_counter", "bool");
      out.number("inuse", "uint32");
    });
  } else if (name == "ringsize") {
    out.array("num_default", "uint32", kVirtioQueues);
  } else if (name == "broken" || name == "started" || name == "disabled") {
    out.number(name, "bool");
  } else if (name == "extra_state") {
    lay_out_extra_state(out);
  } else {  // of a later release
    out.bytes("data", out.distance_to_subsection(kSubsections));
  }
}

}  // namespace

void lay_out_virtio(LayoutWriter& out, VirtioTransport transport, std::string_view vmsd_name) {
  bool with_vectors = lay_out_transport(out, transport);
  out.number("status", "uint8");
  out.number("isr", "uint8");
  out.number("queue_sel", "uint16");
  VirtioContext context;
  context.features = out.number("guest_features_lo", "uint32");
  uint64_t config_bytes = out.number("config_len", "uint32");
  if (config_bytes > out.left()) return out.fail();
  context.config = out.rest().first(config_bytes);
  lay_out_virtio_config(out, vmsd_name, config_bytes);
  lay_out_queues(out, transport, with_vectors);
  context.bytes = out.distance_to_subsection(kSubsections);
  uint64_t behind_device = out.left() - context.bytes;
  lay_out_virtio_device(out, vmsd_name, context);
  if (out.left() != behind_device) return out.fail();
  for (auto name = out.subsection_at(); name.starts_with(kSubsections);
       name = out.subsection_at()) {
    out.open_subsection(name);
    lay_out_subsection(out, name.substr(kSubsections.size()));
    out.close();
  }
}

}  // namespace vmstream
