// SPDX-License-Identifier: MIT
#include "format/layout/layouts.h"

#include <algorithm>
#include <array>
#include <concepts>
#include <optional>
#include <span>

#include "base/byte_reader.h"
#include "format/description/device_value.h"
#include "format/layout/layout_writer.h"

namespace vmstream {
namespace {

struct Item {
  std::string_view name;
  std::string_view type;
  uint64_t count = 1;
};

// In the order of bytes that config_order() tells. A device may show a front of it only.
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

struct Config {
  std::string_view vmsd_name;
  std::span<const Item> items;
};

constexpr std::array kConfigs{
    Config{"virtio-net", kNetConfig},         Config{"virtio-blk", kBlkConfig},
    Config{"virtio-scsi", kScsiConfig},       Config{"virtio-console", kConsoleConfig},
    Config{"virtio-balloon", kBalloonConfig}, Config{"virtio-gpu", kGpuConfig},
    Config{"virtio-iommu", kIommuConfig},     Config{"virtio-mem", kMemConfig},
};

std::span<const Item> find_items(std::string_view vmsd_name) {
  auto found = std::ranges::find(kConfigs, vmsd_name, &Config::vmsd_name);
  return found == kConfigs.end() ? std::span<const Item>() : found->items;
}

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

// The number that a subsection behind the device's own state begins with.
template <std::unsigned_integral Number>
std::optional<Number> find_in_subsection(const LayoutWriter& out, std::string_view name) {
  ByteReader in(out.rest().subspan(out.distance_to_subsection(name)));
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

}  // namespace

void lay_out_virtio_config(LayoutWriter& out, std::string_view vmsd_name, uint64_t bytes) {
  if (bytes == 0) return;
  out.open("config");
  lay_out_front(out, find_items(vmsd_name), config_order(out), bytes);
  out.close();
}

}  // namespace vmstream
