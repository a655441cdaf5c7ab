// SPDX-License-Identifier: MIT
// Device sections kept until the description at the end of the stream can be held against them.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include <vmstream/format.h>

namespace vmstream {

/// A FULL section with its body.
struct KeptDevice {
  SectionHeader header;
  SectionEnd end = {};
  std::vector<std::byte> body = {};
  bool kept = true;  ///< false: too much to keep; the body is left out
};

/// Takes the events of sections and keeps those of type FULL, at most kMostBytes of their bodies
/// and kMostDevices of them.
class DeviceKeeper {
 public:
  static constexpr uint64_t kMostBytes = 32u << 20;
  static constexpr size_t kMostDevices = 1u << 16;

  void on_section(const SectionHeader& header) {
    open_ = header.type == SectionType::Full && devices_.size() < kMostDevices;
    if (open_) devices_.push_back({.header = header});
  }
  void on_body(std::span<const std::byte> bytes) {
    if (!open_) return;
    KeptDevice& device = devices_.back();
    device.kept = device.kept && bytes.size() <= kMostBytes - bytes_;
    if (!device.kept) return;
    bytes_ += bytes.size();
    device.body.insert(device.body.end(), bytes.begin(), bytes.end());
  }
  void on_section_end(const SectionEnd& end) {
    if (open_) devices_.back().end = end;
    open_ = false;
  }

  const std::vector<KeptDevice>& devices() const { return devices_; }
  void clear() {
    devices_.clear();
    bytes_ = 0;
  }

 private:
  std::vector<KeptDevice> devices_;
  uint64_t bytes_ = 0;
  bool open_ = false;
};

}  // namespace vmstream
