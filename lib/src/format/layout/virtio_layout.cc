// SPDX-License-Identifier: MIT
// Transport, common state, the device's own state, subsections. What a device adds has no length:
// it ends where the first subsection of `virtio` begins.
#include "format/layout/virtio_layout.h"

#include <algorithm>
#include <array>
#include <concepts>
#include <optional>

#include "format/device/device_value.h"
#include "format/layout/layout_writer.h"

#include <vmstream/byte_reader.h>

namespace vmstream {
namespace {

// Queues a device may have; tables of them are saved whole.
constexpr uint64_t kQueues = 1024;
constexpr std::string_view kSubsections = "virtio/";

struct Item {
  std::string_view name;
  std::string_view type;
  uint64_t count = 1;
};

// The device's config as the guest sees it, in the order of bytes that config_order() tells. A
// device may show a front of it only.
constexpr std::array kNetConfig{
    Item{"mac", "uint8", 6},           Item{"status", "uint16"},
    Item{"max_queue_pairs", "uint16"}, Item{"mtu", "uint16"},
    Item{"speed", "uint32"},           Item{"duplex", "uint8"},
    Item{"rss_max_key_size", "uint8"}, Item{"rss_max_indirections", "uint16"},
    Item{"hash_types", "uint32"},
};
constexpr std::array kBlkConfig{
    Item{"capacity", "uint64"},
    Item{"size_max", "uint32"},
    Item{"seg_max", "uint32"},
    Item{"cylinders", "uint16"},
    Item{"heads", "uint8"},
    Item{"sectors", "uint8"},
    Item{"blk_size", "uint32"},
    Item{"physical_block_exp", "uint8"},
    Item{"alignment_offset", "uint8"},
    Item{"min_io_size", "uint16"},
    Item{"opt_io_size", "uint32"},
    Item{"wce", "uint8"},
    Item{"unused", "uint8"},
    Item{"num_queues", "uint16"},
    Item{"max_discard_sectors", "uint32"},
    Item{"max_discard_seg", "uint32"},
    Item{"discard_sector_alignment", "uint32"},
    Item{"max_write_zeroes_sectors", "uint32"},
    Item{"max_write_zeroes_seg", "uint32"},
    Item{"write_zeroes_may_unmap", "uint8"},
};
constexpr std::array kScsiConfig{
    Item{"num_queues", "uint32"},  Item{"seg_max", "uint32"},         Item{"max_sectors", "uint32"},
    Item{"cmd_per_lun", "uint32"}, Item{"event_info_size", "uint32"}, Item{"sense_size", "uint32"},
    Item{"cdb_size", "uint32"},    Item{"max_channel", "uint16"},     Item{"max_target", "uint16"},
    Item{"max_lun", "uint32"},
};
constexpr std::array kConsoleConfig{
    Item{"cols", "uint16"},
    Item{"rows", "uint16"},
    Item{"max_nr_ports", "uint32"},
    Item{"emerg_wr", "uint32"},
};
constexpr std::array kBalloonConfig{
    Item{"num_pages", "uint32"},
    Item{"actual", "uint32"},
    Item{"free_page_hint_cmd_id", "uint32"},
    Item{"poison_val", "uint32"},
};
constexpr std::array kGpuConfig{
    Item{"events_read", "uint32"},
    Item{"events_clear", "uint32"},
    Item{"num_scanouts", "uint32"},
    Item{"num_capsets", "uint32"},
};
constexpr std::array kIommuConfig{
    Item{"page_size_mask", "uint64"}, Item{"input_start", "uint64"}, Item{"input_end", "uint64"},
    Item{"domain_start", "uint32"},   Item{"domain_end", "uint32"},  Item{"probe_size", "uint32"},
    Item{"bypass", "uint8"},
};
constexpr std::array kMemConfig{
    Item{"block_size", "uint64"},   Item{"node_id", "uint16"},
    Item{"padding", "uint8", 6},    Item{"addr", "uint64"},
    Item{"region_size", "uint64"},  Item{"usable_region_size", "uint64"},
    Item{"plugged_size", "uint64"}, Item{"requested_size", "uint64"},
};

// Which way round the numbers of a config stand.
enum class ByteOrder { Little, Big, Guest };

std::string_view type_in(ByteOrder order, std::string_view type) {
  struct Width {
    std::string_view big, little, guest;
  };
  constexpr std::array kWidths{Width{"uint16", "le16", "guest16"},
                               Width{"uint32", "le32", "guest32"},
                               Width{"uint64", "le64", "guest64"}};
  auto width = std::ranges::find(kWidths, type, &Width::big);
  if (width == kWidths.end() || order == ByteOrder::Big) return type;
  return order == ByteOrder::Little ? width->little : width->guest;
}

void lay_out_front(LayoutWriter& out, std::span<const Item> items, ByteOrder order,
                   uint64_t bytes) {
  for (const Item& item : items) {
    uint64_t size = scalar_size(item.type) * item.count;
    if (size > bytes) break;
    out.array(item.name, type_in(order, item.type), item.count);
    bytes -= size;
  }
  out.bytes("rest", bytes);
}

// What a queue element in flight is saved as: a struct of the host, so that its numbers are little
// endian on nearly all of them.
void lay_out_element(LayoutWriter& out) {
  constexpr uint64_t kAddressBytes = kQueues * 8;
  constexpr uint64_t kVectorBytes = kQueues * 16;
  out.open("element");
  for (std::string_view name : {"index", "out_num", "in_num", "padding"}) out.number(name, "le32");
  out.bytes("in_addr", kAddressBytes);
  out.bytes("out_addr", kAddressBytes);
  out.bytes("in_sg", kVectorBytes);
  out.bytes("out_sg", kVectorBytes);
  out.close();
}

struct DeviceContext {
  uint64_t features = 0;  // the lower half
  uint64_t bytes = 0;     // of the device's own state
  std::span<const std::byte> config;
};

// Distance to the first header of a subsection whose name begins with `prefix`, or to the end.
uint64_t distance_to_subsection(const LayoutWriter& out, std::string_view prefix) {
  auto rest = out.rest();
  for (uint64_t skip = 0; skip < rest.size(); ++skip) {
    if (rest[skip] == std::byte{5} && out.subsection_at(skip).starts_with(prefix)) return skip;
  }
  return rest.size();
}

// The number that a subsection behind the device's own state begins with.
template <std::unsigned_integral Number>
std::optional<Number> find_in_subsection(const LayoutWriter& out, std::string_view name) {
  ByteReader in(out.rest().subspan(distance_to_subsection(out, name)));
  in.be<uint8_t>("subsection");
  in.counted_string("name");
  in.be<uint32_t>("version");
  auto number = in.be<Number>("value");
  return in.ok() ? std::optional(number) : std::nullopt;
}

// Little endian since version 1 of the standard; before, the guest's own order, which is told only
// where it is not the one that the machine begins with.
ByteOrder config_order(const LayoutWriter& out) {
  constexpr uint64_t kVersion1 = uint64_t{1} << 32;
  constexpr uint8_t kLittle = 1;
  constexpr uint8_t kBig = 2;
  if (find_in_subsection<uint64_t>(out, "virtio/64bit_features").value_or(0) & kVersion1) {
    return ByteOrder::Little;
  }
  auto told = find_in_subsection<uint8_t>(out, "virtio/device_endian");
  if (told == kLittle) return ByteOrder::Little;
  return told == kBig ? ByteOrder::Big : ByteOrder::Guest;
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

void lay_out_net(LayoutWriter& out, const DeviceContext& device) {
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
  uint64_t rss = distance_to_subsection(out, "virtio-net");
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
void lay_out_blk(LayoutWriter& out, const DeviceContext& device) {
  constexpr size_t kQueuesAt = 34;
  bool many_queues =
      device.config.size() > kQueuesAt + 1 &&
      (device.config[kQueuesAt] > std::byte{1} || device.config[kQueuesAt + 1] != std::byte{0});
  uint64_t request_bytes = 1 + (many_queues ? 4 : 0) + 16 + 2 * 8 * kQueues + 2 * 16 * kQueues;
  if (uint64_t requests = (device.bytes - 1) / request_bytes; requests > 0) {
    out.open_array("requests", requests);
    if (out.number("more", "uint8") != 1) out.fail();
    if (many_queues) out.number("queue", "uint32");
    lay_out_element(out);
    out.close();
  }
  if (out.number("end_of_requests", "uint8") != 0) out.fail();
}

void lay_out_console(LayoutWriter& out, const DeviceContext&) {
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

void lay_out_balloon(LayoutWriter& out, const DeviceContext&) {
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
void lay_out_iommu(LayoutWriter& out, const DeviceContext&) {
  if (out.number("domains", "uint32") != 0) out.fail();
  out.number("end_of_domains", "uint8");
  out.number("bypass", "uint8");
}

void lay_out_mem(LayoutWriter& out, const DeviceContext& device) {
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

struct Device {
  std::string_view vmsd_name;
  std::span<const Item> config;
  void (*lay_out)(LayoutWriter&, const DeviceContext&) = nullptr;  // null: it adds nothing
};

constexpr std::array kDevices{
    Device{"virtio-net", kNetConfig, lay_out_net},
    Device{"virtio-blk", kBlkConfig, lay_out_blk},
    Device{"virtio-scsi", kScsiConfig},
    Device{"virtio-console", kConsoleConfig, lay_out_console},
    Device{"virtio-balloon", kBalloonConfig, lay_out_balloon},
    Device{"virtio-gpu", kGpuConfig},
    Device{"virtio-iommu", kIommuConfig, lay_out_iommu},
    Device{"virtio-mem", kMemConfig, lay_out_mem},
};

const Device* find_device(std::string_view vmsd_name) {
  auto found = std::ranges::find(kDevices, vmsd_name, &Device::vmsd_name);
  return found == kDevices.end() ? nullptr : &*found;
}

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
  auto table = out.rest().first(std::min<size_t>(out.left(), kQueues * entry_bytes));
  auto last =
      std::find_if(table.rbegin(), table.rend(), [](std::byte b) { return b != std::byte{0}; });
  uint64_t used_bytes = static_cast<uint64_t>(table.rend() - last);
  uint64_t used = (used_bytes + entry_bytes - 1) / entry_bytes;
  if (used > 0) {
    out.open_array(name, used);
    entry();
    out.close();
  }
  out.bytes("unused", (kQueues - used) * entry_bytes);
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
      out.bytes("data", distance_to_subsection(out, kSubsections));
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
    out.array("num_default", "uint32", kQueues);
  } else if (name == "broken" || name == "started" || name == "disabled") {
    out.number(name, "bool");
  } else if (name == "extra_state") {
    lay_out_extra_state(out);
  } else {  // of a later release
    out.bytes("data", distance_to_subsection(out, kSubsections));
  }
}

void lay_out_device(LayoutWriter& out, const Device* device, const DeviceContext& context) {
  if (context.bytes == 0) {
    if (device && device->lay_out) out.fail();  // each of these has something of its own
    return;
  }
  out.open("device");
  if (device && device->lay_out) {
    device->lay_out(out, context);
  } else {
    out.bytes("data", context.bytes);
  }
  out.close();
}

}  // namespace

void lay_out_virtio(LayoutWriter& out, VirtioTransport transport, std::string_view vmsd_name) {
  const Device* device = find_device(vmsd_name);
  bool with_vectors = lay_out_transport(out, transport);
  out.number("status", "uint8");
  out.number("isr", "uint8");
  out.number("queue_sel", "uint16");
  DeviceContext context;
  context.features = out.number("guest_features_lo", "uint32");
  uint64_t config_bytes = out.number("config_len", "uint32");
  if (config_bytes > out.left()) return out.fail();
  context.config = out.rest().first(config_bytes);
  if (config_bytes > 0) {
    out.open("config");
    lay_out_front(out, device ? device->config : std::span<const Item>(), config_order(out),
                  config_bytes);
    out.close();
  }
  lay_out_queues(out, transport, with_vectors);
  context.bytes = distance_to_subsection(out, kSubsections);
  uint64_t behind_device = out.left() - context.bytes;
  lay_out_device(out, device, context);
  if (out.left() != behind_device) return out.fail();
  for (auto name = out.subsection_at(); name.starts_with(kSubsections);
       name = out.subsection_at()) {
    out.open_subsection(name);
    lay_out_subsection(out, name.substr(kSubsections.size()));
    out.close();
  }
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
