// SPDX-License-Identifier: MIT
// The inside of types that no description opens.
#include <vmstream/device_state.h>

#include <fmt/format.h>

#include "format/layout/known_layout.h"
#include "support/catch.h"

using namespace vmstream;

namespace {

using Bytes = std::vector<std::byte>;

struct Decoded {
  VmdescDevice description;
  Bytes body;
  DeviceState state;

  const DeviceField& only() const { return state.fields.at(0); }
  uint64_t number(std::string_view path) const {
    INFO(path);
    auto found = find_field(state, path);
    REQUIRE(found.field);
    return found.field->as_unsigned();
  }
};

Decoded decode(std::string_view type, Bytes body, std::string_view vmsd_name = "d",
               std::string_view idstr = "d", uint64_t array_len = 1) {
  VmdescField field;
  field.name = "f";
  field.type = type;
  field.size = body.size() / array_len;
  field.array_len = array_len;
  VmdescDevice device;
  device.idstr = idstr;
  device.vmsd_name = vmsd_name;
  device.fields.push_back(std::move(field));
  Decoded decoded{std::move(device), std::move(body), {}};
  decoded.state = decode_device(decoded.description, decoded.body, 0);
  return decoded;
}

void set_le(Bytes& bytes, size_t at, size_t width, uint64_t value) {
  for (size_t i = 0; i < width; ++i) bytes.at(at + i) = static_cast<std::byte>(value >> (8 * i));
}

void add_be(Bytes& bytes, size_t width, uint64_t value) {
  for (size_t i = width; i-- > 0;) bytes.push_back(static_cast<std::byte>(value >> (8 * i)));
}

void add_subsection(Bytes& bytes, std::string_view name) {
  add_be(bytes, 1, 5);
  add_be(bytes, 1, name.size());
  for (char letter : name) bytes.push_back(static_cast<std::byte>(letter));
  add_be(bytes, 4, 1);
}

// A device with MSI-X at 0x40 and power management at 0x50.
Bytes pci_config() {
  Bytes config(256);
  set_le(config, 0, 2, 0x1af4);
  set_le(config, 2, 2, 0x1002);
  set_le(config, 0x10, 4, 0xfebc0000);
  set_le(config, 0x34, 1, 0x40);
  set_le(config, 0x40, 2, 0x5011);
  set_le(config, 0x42, 2, 2);
  set_le(config, 0x50, 2, 0x0001);
  return config;
}

// The balloon of an MMIO guest: 12 bytes of transport, then what all devices share.
Bytes mmio_balloon(uint64_t features = 0x100000044) {
  Bytes bytes;
  for (uint64_t selector : {0u, 1u, 12u}) add_be(bytes, 4, selector);
  add_be(bytes, 1, 15);
  add_be(bytes, 1, 1);
  add_be(bytes, 2, 0);
  add_be(bytes, 4, 0x44);
  add_be(bytes, 4, 8);
  bytes.resize(bytes.size() + 8);
  set_le(bytes, bytes.size() - 8, 4, 256);
  add_be(bytes, 4, 2);
  for (uint64_t queue : {0u, 1u}) {
    add_be(bytes, 4, 128);
    add_be(bytes, 4, 4096);
    add_be(bytes, 8, 0x10000 + queue);
    add_be(bytes, 2, 7);
  }
  add_be(bytes, 4, 256);
  add_be(bytes, 4, 12);
  add_subsection(bytes, "virtio/64bit_features");
  add_be(bytes, 8, features);
  return bytes;
}

}  // namespace

TEST_CASE("a configuration space: header, capabilities by their list, the rest") {
  auto decoded = decode("pci config", pci_config());
  CHECK(decoded.state.problems.empty());
  CHECK(decoded.only().kind == ValueKind::Struct);
  CHECK(decoded.only().type == "pci config");
  CHECK(decoded.only().size() == 256);
  CHECK(decoded.number("f.device_id") == 0x1002);
  CHECK(decoded.number("f.bar[0]") == 0xfebc0000);
  CHECK(decoded.number("f.msix_40.control") == 2);
  CHECK(find_field(decoded.state, "f.power_management_50.control").field->offset == 0x54);
  CHECK(find_field(decoded.state, "f.device_58").field->size() == 256 - 0x58);
}

TEST_CASE("what no description told is marked") {
  CHECK(decode("pci config", pci_config()).only().built_in_layout);
  auto nested = decode("virtio", mmio_balloon(), "virtio-balloon");
  CHECK(nested.only().built_in_layout);
  CHECK_FALSE(find_field(nested.state, "f.transport").field->built_in_layout);
  CHECK_FALSE(decode("pci config", Bytes(255)).only().built_in_layout);
}

TEST_CASE("each element of an array of a known type is opened") {
  Bytes segments;
  for (uint64_t half : {1u, 2u, 3u, 4u}) add_be(segments, 8, half);
  auto decoded = decode("slbe", segments, "cpu", "cpu", 2);
  CHECK(decoded.state.problems.empty());
  CHECK(decoded.only().kind == ValueKind::List);
  CHECK(decoded.number("f[1].vsid") == 4);
}

TEST_CASE("a list of capabilities that runs in a circle ends") {
  auto config = pci_config();
  set_le(config, 0x51, 1, 0x40);
  auto decoded = decode("pci config", config);
  CHECK(decoded.state.problems.empty());
  CHECK(decoded.number("f.power_management_50.next") == 0x40);
}

TEST_CASE("an express device has capabilities behind the first 256 bytes") {
  Bytes config(4096);
  set_le(config, 0x100, 4, 0x14010003);
  set_le(config, 0x104, 8, 0x1122334455667788);
  set_le(config, 0x140, 4, 0x0001000d);
  auto decoded = decode("pci config", config);
  CHECK(decoded.number("f.serial_number_100.serial_number") == 0x1122334455667788);
  CHECK(find_field(decoded.state, "f.access_control_140"));
}

TEST_CASE("levels of pins, vectors, slots of a controller") {
  Bytes levels;
  for (uint64_t level : {0u, 1u, 0u, 1u}) add_be(levels, 4, level);
  CHECK(decode("pci irq state", levels).number("f.intd") == 1);
  levels[15] = std::byte{2};
  auto wrong = decode("pci irq state", levels);
  REQUIRE(wrong.state.problems.size() == 1);
  CHECK(wrong.state.problems[0].message.ends_with("an interrupt line holds 2, wanted 0 or 1"));

  Bytes vectors(3 * 16 + 1);
  set_le(vectors, 16, 8, 0xfee01004);
  auto msix = decode("msix state", vectors);
  CHECK(msix.number("f.table[1].address") == 0xfee01004);
  CHECK(find_field(msix.state, "f.pending").field->offset == 48);
}

TEST_CASE("virtio: transport, common state, the device's own, subsections") {
  auto decoded = decode("virtio", mmio_balloon(), "virtio-balloon");
  CHECK(decoded.state.problems.empty());
  CHECK(decoded.number("f.transport.guest_page_shift") == 12);
  CHECK(decoded.number("f.config.num_pages") == 256);
  CHECK(decoded.number("f.queues[1].desc") == 0x10001);
  CHECK(decoded.number("f.device.actual") == 12);
  CHECK(decoded.number("f.virtio/64bit_features.guest_features") == 0x100000044);
}

TEST_CASE("the config of a virtio device before version 1 has the guest's order of bytes") {
  constexpr uint64_t kLegacyFeatures = 0x44;
  auto type_of_pages = [](const Decoded& decoded) {
    return find_field(decoded.state, "f.config.num_pages").field->type;
  };
  CHECK(type_of_pages(decode("virtio", mmio_balloon(), "virtio-balloon")) == "le32");
  auto untold = decode("virtio", mmio_balloon(kLegacyFeatures), "virtio-balloon");
  CHECK(type_of_pages(untold) == "guest32");
  CHECK(untold.number("f.config.num_pages") == 256);

  auto told = [](uint64_t order) {
    auto bytes = mmio_balloon(kLegacyFeatures);
    add_subsection(bytes, "virtio/device_endian");
    add_be(bytes, 1, order);
    return decode("virtio", bytes, "virtio-balloon");
  };
  CHECK(type_of_pages(told(1)) == "le32");
  CHECK(type_of_pages(told(2)) == "uint32");
  CHECK(told(2).number("f.config.num_pages") == 0x10000);
}

TEST_CASE("the state of an unknown virtio device stays bytes, what is around it is known") {
  auto decoded = decode("virtio", mmio_balloon(), "virtio-of-tomorrow");
  CHECK(find_field(decoded.state, "f.device.data").field->size() == 8);
  CHECK(find_field(decoded.state, "f.config.rest").field->size() == 8);
}

TEST_CASE("virtio over PCI holds a configuration space with its vectors") {
  Bytes bytes;
  add_be(bytes, 4, 2);
  auto config = pci_config();
  bytes.insert(bytes.end(), config.begin(), config.end());
  bytes.resize(bytes.size() + 16 + 3 * 16 + 1);
  for (auto [width, value] : {std::pair{2, 0xffff}, {1, 0}, {1, 0}, {2, 0}, {4, 0}, {4, 0}}) {
    add_be(bytes, static_cast<size_t>(width), static_cast<uint64_t>(value));
  }
  add_be(bytes, 4, 1);
  add_be(bytes, 4, 8);
  add_be(bytes, 8, 0x2000);
  add_be(bytes, 2, 5);
  add_be(bytes, 2, 1);
  auto decoded = decode("virtio", bytes, "virtio-rng");
  CHECK(decoded.number("f.transport.config.msix_40.control") == 2);
  CHECK(find_field(decoded.state, "f.transport.msix.table[2]"));
  CHECK(decoded.number("f.queues.vector") == 1);
}

TEST_CASE("a layout that does not fit exactly is not believed") {
  auto whole = mmio_balloon();
  for (size_t length = 0; length < whole.size(); ++length) {
    auto cut = decode("virtio", {whole.begin(), whole.begin() + static_cast<ptrdiff_t>(length)},
                      "virtio-balloon");
    if (length == whole.size() - 8 - 27) continue;  // the end without its subsection is one, too
    INFO(length);
    CHECK(cut.state.problems.empty());
    if (length > 0) CHECK(cut.only().kind == ValueKind::Bytes);
  }
  whole.push_back(std::byte{0});
  CHECK(decode("virtio", whole, "virtio-balloon").only().kind == ValueKind::Bytes);
  CHECK(decode("pci config", Bytes(255)).only().kind == ValueKind::Bytes);
  CHECK(decode("pci irq state", Bytes(15)).only().kind == ValueKind::Bytes);
  CHECK(decode("msix state", Bytes(50)).only().kind == ValueKind::Bytes);
}

TEST_CASE("a bool that is none, in any element of a table, fails the layout") {
  auto bytes = mmio_balloon();
  add_subsection(bytes, "virtio/packed_virtqueues");
  size_t table = bytes.size();
  bytes.resize(table + 1024 * 10);
  bytes[table + 10 + 2] = std::byte{1};
  auto good = decode("virtio", bytes, "virtio-balloon");
  CHECK(good.number("f.virtio/packed_virtqueues.vq[1].last_avail_wrap_counter") == 1);
  bytes[table + 10 + 2] = std::byte{2};
  auto bad = decode("virtio", bytes, "virtio-balloon");
  CHECK(bad.only().kind == ValueKind::Bytes);
  CHECK(bad.state.problems.empty());
}

TEST_CASE("any bytes are taken under each known type") {
  for (std::string_view type : {"pci config", "pci irq state", "msix state", "shpc", "virtio",
                                "virtio-gpu", "scsi-requests", "slbe"}) {
    CHECK(has_known_layout(type));
    for (std::string_view name : {"virtio-net", "virtio-blk", "virtio-console", "virtio-mem"}) {
      for (unsigned fill : {0x00u, 0x01u, 0x05u, 0x11u, 0xffu}) {
        for (size_t size : {1u, 16u, 131u, 256u, 4096u, 9000u}) {
          auto decoded = decode(type, Bytes(size, static_cast<std::byte>(fill)), name);
          INFO(fmt::format("{} of {}, {} bytes of {}", type, name, size, fill));
          bool is_no_level = type == "pci irq state" && size == 16 && fill != 0;
          CHECK(decoded.state.problems.empty() != is_no_level);
          CHECK(decoded.only().size() == size);
        }
      }
    }
  }
}

TEST_CASE("old devices that are one field of bytes are known by name") {
  Bytes keys;
  add_be(keys, 8, 2);
  add_be(keys, 8, 3);
  keys.resize(keys.size() + 3, std::byte{6});
  add_be(keys, 8, 1);
  auto decoded = decode("buffer", keys, "", "s390-skeys");
  CHECK(decoded.number("f.run.count") == 3);
  CHECK(find_field(decoded.state, "f.run.keys").field->size() == 3);

  keys.back() = std::byte{4};  // saved with an error
  CHECK(decode("buffer", keys, "", "s390-skeys").only().kind == ValueKind::Bytes);
  CHECK(decode("buffer", keys, "", "other").only().kind == ValueKind::Bytes);

  Bytes clock{std::byte{1}, std::byte{0}};
  add_be(clock, 8, 99);
  CHECK(decode("buffer", clock, "", "todclock").number("f.low") == 99);
}
