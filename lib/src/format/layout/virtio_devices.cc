// SPDX-License-Identifier: MIT
#include "format/layout/layouts.h"

#include <algorithm>
#include <array>

#include "format/layout/layout_writer.h"

namespace vmstream {
namespace {

// What a queue element in flight is saved as: a struct of the host, so that its numbers are little
// endian on nearly all of them.
void lay_out_element(LayoutWriter& out) {
  constexpr uint64_t kAddressBytes = kVirtioQueues * 8;
  constexpr uint64_t kVectorBytes = kVirtioQueues * 16;
  out.open("element");
  for (std::string_view name : {"index", "out_num", "in_num", "padding"}) out.number(name, "le32");
  out.bytes("in_addr", kAddressBytes);
  out.bytes("out_addr", kAddressBytes);
  out.bytes("in_sg", kVectorBytes);
  out.bytes("out_sg", kVectorBytes);
  out.close();
}

void lay_out_rss(LayoutWriter& out) {
  constexpr uint64_t kKeyBytes = 40;
  for (std::string_view name : {"enabled", "redirect", "populate_hash"}) out.number(name, "bool");
  out.number("hash_types", "uint32");
  uint64_t indirections = out.number("indirections_len", "uint16");
  out.number("default_queue", "uint16");
  out.array("key", "uint8", kKeyBytes);
  out.array("indirections_table", "uint16", indirections);
}

void lay_out_net(LayoutWriter& out, const VirtioContext& device) {
  constexpr uint64_t kGuestOffloads = uint64_t{1} << 2;
  constexpr uint64_t kVlanBytes = 4096 / 8;
  uint64_t end = out.left() - device.bytes;
  out.array("mac", "uint8", 6);
  out.number("tx_waiting", "uint32");
  out.number("mergeable_rx_bufs", "uint32");
  out.number("status", "uint16");
  out.number("promisc", "uint8");
  out.number("allmulti", "uint8");
  uint64_t addresses = out.number("mac_table.in_use", "uint32");
  out.array("mac_table.macs", "uint8", 6 * std::min(addresses, out.left()));
  out.bytes("vlans", kVlanBytes);
  out.number("has_vnet_hdr", "uint32");
  for (std::string_view name : {"mac_table.multi_overflow", "mac_table.uni_overflow", "alluni",
                                "nomulti", "nouni", "nobcast", "has_ufo"}) {
    out.number(name, "uint8");
  }
  uint64_t rss = out.distance_to_subsection("virtio-net");
  uint64_t more = out.left() - end;
  more = std::min(more, rss);
  uint64_t offload_bytes = device.features & kGuestOffloads ? 8 : 0;
  if (more > offload_bytes) {
    out.number("max_queue_pairs", "uint16");
    uint64_t pairs = out.number("curr_queue_pairs", "uint16");
    if (pairs > 1) out.array("tx_waiting_1", "uint32", pairs - 1);
  }
  if (offload_bytes > 0) out.number("curr_guest_offloads", "uint64");
  if (out.open_subsection("virtio-net-device/rss")) {
    lay_out_rss(out);
    out.close();
  }
}

// Requests that were not finished when the guest stopped.
void lay_out_blk(LayoutWriter& out, const VirtioContext& device) {
  constexpr size_t kQueuesAt = 34;
  bool many_queues =
      device.config.size() > kQueuesAt + 1 &&
      (device.config[kQueuesAt] > std::byte{1} || device.config[kQueuesAt + 1] != std::byte{0});
  uint64_t request_bytes =
      1 + (many_queues ? 4 : 0) + 16 + 2 * 8 * kVirtioQueues + 2 * 16 * kVirtioQueues;
  if (uint64_t requests = (device.bytes - 1) / request_bytes; requests > 0) {
    out.open_array("requests", requests);
    if (out.number("more", "uint8") != 1) out.fail();
    if (many_queues) out.number("queue", "uint32");
    lay_out_element(out);
    out.close();
  }
  if (out.number("end_of_requests", "uint8") != 0) out.fail();
}

void lay_out_console(LayoutWriter& out, const VirtioContext&) {
  out.number("cols", "uint16");
  out.number("rows", "uint16");
  uint64_t most = out.number("max_nr_ports", "uint32");
  out.array("ports_map", "uint32", (most + 31) / 32);
  uint64_t ports = out.number("nr_active_ports", "uint32");
  auto plain = [&] {
    out.number("id", "uint32");
    out.number("guest_connected", "uint8");
    out.number("host_connected", "uint8");
    return out.number("elem_popped", "uint32") != 0;
  };
  for (uint64_t i = 0; i < ports && out.left() > 0; ++i) {
    out.open("ports");
    if (plain()) {
      out.number("iov_idx", "uint32");
      out.number("iov_offset", "uint64");
      lay_out_element(out);
    }
    out.close();
  }
}

void lay_out_balloon(LayoutWriter& out, const VirtioContext&) {
  out.number("num_pages", "uint32");
  out.number("actual", "uint32");
  if (out.open_subsection("virtio-balloon-device/free-page-report")) {
    out.number("free_page_hint_cmd_id", "uint32");
    out.number("free_page_hint_status", "uint32");
    out.close();
  }
  if (out.open_subsection("virtio-balloon-device/page-poison")) {
    out.number("poison_val", "uint32");
    out.close();
  }
}

// Domains and mappings only while there are none: those of a guest that uses them stay bytes.
void lay_out_iommu(LayoutWriter& out, const VirtioContext&) {
  if (out.number("domains", "uint32") != 0) out.fail();
  out.number("end_of_domains", "uint8");
  out.number("bypass", "uint8");
}

void lay_out_mem(LayoutWriter& out, const VirtioContext& device) {
  constexpr uint64_t kEarlyBytes = 16;  // the rest went into a section of its own, before the RAM
  if (device.bytes != kEarlyBytes) {
    for (std::string_view name : {"addr", "region_size", "block_size"}) out.number(name, "uint64");
    out.number("node", "uint32");
  }
  out.number("usable_region_size", "uint64");
  if (device.bytes != kEarlyBytes) out.number("size", "uint64");
  out.number("requested_size", "uint64");
  if (device.bytes == kEarlyBytes) return;
  constexpr uint64_t kFrontBytes = 28 + 24;
  if (device.bytes > kFrontBytes) out.bytes("bitmap", device.bytes - kFrontBytes, "bitmap");
}

// Those that add something to the common state.
struct Device {
  std::string_view vmsd_name;
  void (*lay_out)(LayoutWriter&, const VirtioContext&);
};

constexpr std::array kDevices{
    Device{"virtio-net", lay_out_net},         Device{"virtio-blk", lay_out_blk},
    Device{"virtio-console", lay_out_console}, Device{"virtio-balloon", lay_out_balloon},
    Device{"virtio-iommu", lay_out_iommu},     Device{"virtio-mem", lay_out_mem},
};

const Device* find_device(std::string_view vmsd_name) {
  auto found = std::ranges::find(kDevices, vmsd_name, &Device::vmsd_name);
  return found == kDevices.end() ? nullptr : &*found;
}

}  // namespace

void lay_out_virtio_device(LayoutWriter& out, std::string_view vmsd_name,
                           const VirtioContext& context) {
  const Device* device = find_device(vmsd_name);
  if (context.bytes == 0) {
    if (device) out.fail();  // each of these has something of its own
    return;
  }
  out.open("device");
  if (device) {
    device->lay_out(out, context);
  } else {
    out.bytes("data", context.bytes);
  }
  out.close();
}

void lay_out_virtio_gpu(LayoutWriter& out) {
  constexpr uint64_t kScanoutBytes = 40;
  // The pixels of a resource have a size that its format tells only the library that drew them.
  if (out.number("end_of_resources", "uint32") != 0) return out.fail();
  out.number("enable", "int32");
  uint64_t outputs = out.number("max_outputs", "uint32 equal");
  if (outputs == 0 || outputs * kScanoutBytes != out.left()) return out.fail();
  out.open_array("scanout", outputs);
  for (std::string_view name : {"resource_id", "width", "height"}) out.number(name, "uint32");
  out.number("x", "int32");
  out.number("y", "int32");
  for (std::string_view name :
       {"cursor.resource_id", "cursor.hot_x", "cursor.hot_y", "cursor.pos.x", "cursor.pos.y"}) {
    out.number(name, "uint32");
  }
  out.close();
}

}  // namespace vmstream
