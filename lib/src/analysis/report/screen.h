// SPDX-License-Identifier: MIT
// What a VGA showed when its guest was saved.
#pragma once

#include <cstdint>
#include <string>
#include <unordered_map>
#include <vector>

#include <vmstream/device_state.h>
#include <vmstream/visitor.h>
#include "analysis/report/png.h"

namespace vmstream {

/// Keeps the memory of the first VGA: the start of a RAM block "vga.vram".
class ScreenMemory final : public StreamVisitor {
 public:
  static constexpr size_t kMostBytes = 32u << 20;

  /// Up to the last byte that is not zero, at least.
  const std::vector<std::byte>& bytes() const { return bytes_; }

  Status on_page(const Page& page) override;

 private:
  bool is_ours(const Page& page);

  std::string name_;
  std::vector<std::byte> bytes_;
};

/// A screen: lines of text, or a picture, or only why there is neither.
struct Screen {
  std::string mode;                     ///< "80 by 25 characters", "1280 by 800, 32 bits a pixel"
  std::vector<std::string> lines = {};  ///< UTF-8 without control characters
  Bitmap picture = {};
  uint32_t shrunk_by = 1;  ///< each pixel of the picture is one of so many, in both directions
  std::string note = {};   ///< why it is not shown; empty where it is
};

/// What `state`, the section of a VGA, makes of the memory. Text modes and the linear modes of
/// Bochs' interface with 8 to 32 bits are shown.
Screen read_screen(const DeviceState& state, const std::vector<std::byte>& memory);

}  // namespace vmstream
