// SPDX-License-Identifier: MIT
// The registers of a VGA tell how its memory becomes a picture: those of the original card, and the
// few of Bochs' interface ("vbe_regs"), which take over once they are enabled.
#include "analysis/report/screen.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <optional>
#include <span>

#include "analysis/report/code_page.h"
#include "format/ram/packed_page.h"

namespace vmstream {

namespace {

constexpr std::string_view kMemoryName = "vga.vram";

uint8_t byte_at(std::span<const std::byte> bytes, uint64_t at) {
  return at < bytes.size() ? std::to_integer<uint8_t>(bytes[static_cast<size_t>(at)]) : uint8_t{0};
}

}  // namespace

bool ScreenMemory::is_ours(const Page& page) {
  if (page.block == nullptr) return false;
  const std::string& name = page.block->name;
  if (!name_.empty()) return name == name_;
  if (name != kMemoryName && !name.ends_with("/vga.vram")) return false;
  name_ = name;
  return true;
}

Status ScreenMemory::on_page(const Page& page) {
  if (!is_ours(page) || page.block_offset >= kMostBytes) return ok();
  bool is_zero = page.kind == PageKind::Zero;
  uint64_t end = page.block_offset + page.size;
  if (is_zero && end > bytes_.size()) return ok();
  if (end > bytes_.size()) bytes_.resize(static_cast<size_t>(end));
  auto place = std::span(bytes_).subspan(static_cast<size_t>(page.block_offset), page.size);
  switch (page.kind) {
    case PageKind::Data:
      std::copy_n(page.payload.begin(), std::min(page.payload.size(), place.size()), place.begin());
      break;
    case PageKind::Zero:
    case PageKind::Fill:
      std::ranges::fill(place, is_zero ? std::byte{0} : std::byte{page.fill});
      break;
    case PageKind::Xbzrle:
      if (!apply_xbzrle(page.payload, place)) std::ranges::fill(place, std::byte{0});
      break;
    case PageKind::Compressed:
      if (!inflate_page(page.payload, place)) std::ranges::fill(place, std::byte{0});
      break;
  }
  return ok();
}

namespace {

struct Registers {
  std::span<const std::byte> graphics, crt, palette;
  std::optional<DeviceField> vbe;
  uint64_t vbe_start = 0;
  uint64_t vbe_line_bytes = 0;
  bool wide_palette = false;  // 8 bits a color, not 6

  uint16_t vbe_value(uint64_t number) const {
    if (!vbe || vbe->array_len.value_or(0) <= number) return 0;
    return static_cast<uint16_t>(vbe->element(number).as_unsigned());
  }
};

// Numbers of Bochs' registers.
constexpr uint64_t kWidth = 1;
constexpr uint64_t kHeight = 2;
constexpr uint64_t kDepth = 3;
constexpr uint64_t kEnable = 4;
constexpr uint16_t kEnabled = 0x01;
constexpr uint16_t kEightBitColors = 0x20;

void take_fields(const std::vector<DeviceField>& fields, Registers& into) {
  for (const DeviceField& field : fields) {
    if (field.name == "gr") into.graphics = field.bytes;
    if (field.name == "cr") into.crt = field.bytes;
    if (field.name == "palette") into.palette = field.bytes;
    if (field.name == "vbe_regs") into.vbe = field;
    if (field.name == "vbe_start_addr") into.vbe_start = field.as_unsigned() * 4;
    if (field.name == "vbe_line_offset") into.vbe_line_bytes = field.as_unsigned();
    if (field.kind == ValueKind::Struct && into.crt.empty()) take_fields(field.fields, into);
  }
}

Screen read_text(const Registers& registers, const std::vector<std::byte>& memory) {
  constexpr uint64_t kBytesACharacter = 4;  // sign and colors, each of a plane of its own
  auto crt = [&](uint64_t number) { return uint64_t{byte_at(registers.crt, number)}; };
  uint64_t overflow = crt(7);
  uint64_t lines = (crt(0x12) | (overflow & 2) << 7 | (overflow & 0x40) << 3) + 1;
  uint64_t columns = crt(1) + 1;
  uint64_t rows = std::min<uint64_t>(lines / ((crt(9) & 0x1f) + 1), 100);
  uint64_t start = (crt(0xc) << 8 | crt(0xd)) * kBytesACharacter;
  uint64_t row_bytes = crt(0x13) << 3;
  Screen screen{.mode = fmt::format("{} by {} characters", columns, rows)};
  for (uint64_t row = 0; row < rows; ++row) {
    std::string line;
    for (uint64_t column = 0; column < columns; ++column) {
      uint64_t at = start + row * row_bytes + column * kBytesACharacter;
      line += code_page_437(byte_at(memory, at));
    }
    line.erase(line.find_last_not_of(' ') + 1);
    screen.lines.push_back(std::move(line));
  }
  return screen;
}

uint8_t widen(unsigned value, unsigned bits) {
  return static_cast<uint8_t>(value * 255 / ((1u << bits) - 1));
}

// Of a pixel whose bytes begin at `at`.
Color color_at(const Registers& registers, unsigned depth, const std::vector<std::byte>& memory,
               uint64_t at) {
  if (depth == 8) {
    uint64_t place = uint64_t{byte_at(memory, at)} * 3;
    Color color{};
    for (size_t i = 0; i < color.size(); ++i) {
      uint8_t value = byte_at(registers.palette, place + i);
      color[i] = registers.wide_palette ? value : widen(value & 0x3f, 6);
    }
    return color;
  }
  if (depth <= 16) {
    unsigned value = byte_at(memory, at) | unsigned{byte_at(memory, at + 1)} << 8;
    unsigned green_bits = depth - 10;
    unsigned green = (value >> 5) & ((1u << green_bits) - 1);
    unsigned red = (value >> (5 + green_bits)) & 0x1f;
    return {widen(red, 5), widen(green, green_bits), widen(value & 0x1f, 5)};
  }
  return {byte_at(memory, at + 2), byte_at(memory, at + 1), byte_at(memory, at)};
}

Screen read_linear(const Registers& registers, const std::vector<std::byte>& memory) {
  constexpr uint64_t kMostPixels = 2'100'000;  // of the picture: 1920 by 1080 whole
  constexpr std::array kDepths = {8u, 15u, 16u, 24u, 32u};
  uint32_t width = registers.vbe_value(kWidth);
  uint32_t height = registers.vbe_value(kHeight);
  unsigned depth = registers.vbe_value(kDepth);
  Screen screen{.mode = fmt::format("{} by {} pixels, {} bits each", width, height, depth)};
  if (std::ranges::find(kDepths, depth) == kDepths.end() || width == 0 || height == 0) {
    screen.note = "this mode is not drawn";
    return screen;
  }
  while (uint64_t{width / screen.shrunk_by} * (height / screen.shrunk_by) > kMostPixels) {
    ++screen.shrunk_by;
  }
  Bitmap& picture = screen.picture;
  picture.width = std::max(1u, width / screen.shrunk_by);
  picture.height = std::max(1u, height / screen.shrunk_by);
  picture.pixels.reserve(size_t{picture.width} * picture.height * 3);
  uint64_t pixel_bytes = (depth + 7) / 8;
  for (uint64_t y = 0; y < picture.height; ++y) {
    uint64_t row = registers.vbe_start + y * screen.shrunk_by * registers.vbe_line_bytes;
    for (uint64_t x = 0; x < picture.width; ++x) {
      Color color = color_at(registers, depth, memory, row + x * screen.shrunk_by * pixel_bytes);
      picture.pixels.insert(picture.pixels.end(), color.begin(), color.end());
    }
  }
  return screen;
}

}  // namespace

Screen read_screen(const DeviceState& state, const std::vector<std::byte>& memory) {
  Registers registers;
  take_fields(state.fields, registers);
  constexpr size_t kGraphicsRegisters = 9;
  constexpr size_t kCrtRegisters = 25;
  if (registers.graphics.size() < kGraphicsRegisters || registers.crt.size() < kCrtRegisters) {
    return {.mode = "unknown", .note = "the stream does not describe the registers of the card"};
  }
  uint16_t enable = registers.vbe_value(kEnable);
  registers.wide_palette = (enable & kEightBitColors) != 0;
  if ((enable & kEnabled) != 0) return read_linear(registers, memory);
  constexpr uint8_t kGraphicsMode = 1;
  if ((byte_at(registers.graphics, 6) & kGraphicsMode) == 0) return read_text(registers, memory);
  return {.mode = "graphics of the original VGA", .note = "this mode is not drawn"};
}

}  // namespace vmstream
