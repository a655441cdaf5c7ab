// SPDX-License-Identifier: MIT
#include "format/layout/virtio_subsections.h"

#include <array>

#include "base/endian.h"

namespace vmstream {
namespace {

constexpr std::array<std::string_view, 11> kNames{
    "virtio/device_endian",     "virtio/64bit_features",   "virtio/128bit_features",
    "virtio/virtqueues",        "virtio/ringsize",         "virtio/broken",
    "virtio/extra_state",       "virtio/started",          "virtio/disabled",
    "virtio/packed_virtqueues", "virtio_pci/modern_state",
};
constexpr size_t kFrontBytes = 2;  // mark, length of the name
constexpr size_t kVersionBytes = 4;

// One letter apart at most: damage, and not another name.
bool is_nearly(std::string_view found, std::string_view name) {
  size_t differing = 0;
  for (size_t i = 0; i < name.size() && differing < 2; ++i) differing += found[i] != name[i];
  return differing < 2;
}

std::optional<DamagedSubsection> judge(std::string_view bytes, size_t at, std::string_view name) {
  auto found = bytes.substr(at, name.size());
  if (!is_nearly(found, name)) return std::nullopt;
  auto length = static_cast<uint8_t>(bytes[at - 1]);
  DamagedSubsection head{.offset = at - kFrontBytes,
                         .name = found,
                         .mark = static_cast<uint8_t>(bytes[at - kFrontBytes]),
                         .version = load_be<uint32_t>(
                             reinterpret_cast<const std::byte*>(bytes.data() + at + name.size())),
                         .is_name = found == name && length == name.size()};
  bool sound = head.is_name && head.mark == 5 && head.version == 1;
  return sound ? std::nullopt : std::optional(head);
}

}  // namespace

std::optional<DamagedSubsection> find_damaged_subsection(const DeviceField& virtio) {
  std::string_view bytes(reinterpret_cast<const char*>(virtio.bytes.data()), virtio.bytes.size());
  for (size_t at = kFrontBytes; at < bytes.size(); ++at) {
    for (std::string_view name : kNames) {
      if (bytes.size() - at < name.size() + kVersionBytes) continue;
      auto damaged = judge(bytes, at, name);
      if (!damaged) continue;
      damaged->offset += virtio.offset;
      return damaged;
    }
  }
  return std::nullopt;
}

}  // namespace vmstream
