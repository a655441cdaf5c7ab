// SPDX-License-Identifier: MIT
#include "format/description/device_value.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <bit>

#include "base/damaged_name.h"

namespace vmstream {
namespace {

struct TypeMeaning {
  std::string_view type;
  ValueKind kind;
  uint64_t size;  // 0: any
};

constexpr std::array kMeanings{
    TypeMeaning{"bool", ValueKind::Boolean, 1},
    TypeMeaning{"uint8", ValueKind::Unsigned, 1},
    TypeMeaning{"uint16", ValueKind::Unsigned, 2},
    TypeMeaning{"uint32", ValueKind::Unsigned, 4},
    TypeMeaning{"uint64", ValueKind::Unsigned, 8},
    TypeMeaning{"int8", ValueKind::Signed, 1},
    TypeMeaning{"int16", ValueKind::Signed, 2},
    TypeMeaning{"int32", ValueKind::Signed, 4},
    TypeMeaning{"int64", ValueKind::Signed, 8},
    TypeMeaning{"uint8 equal", ValueKind::Unsigned, 1},
    TypeMeaning{"uint16 equal", ValueKind::Unsigned, 2},
    TypeMeaning{"uint32 equal", ValueKind::Unsigned, 4},
    TypeMeaning{"uint64 equal", ValueKind::Unsigned, 8},
    TypeMeaning{"int32 equal", ValueKind::Signed, 4},
    TypeMeaning{"int64 equal", ValueKind::Signed, 8},
    TypeMeaning{"int32 le", ValueKind::Signed, 4},
    TypeMeaning{"le16", ValueKind::Unsigned, 2},
    TypeMeaning{"le32", ValueKind::Unsigned, 4},
    TypeMeaning{"le64", ValueKind::Unsigned, 8},
    TypeMeaning{"guest16", ValueKind::Unsigned, 2},
    TypeMeaning{"guest32", ValueKind::Unsigned, 4},
    TypeMeaning{"guest64", ValueKind::Unsigned, 8},
    TypeMeaning{"fd", ValueKind::Signed, 4},
    TypeMeaning{"ptr-marker", ValueKind::Boolean, 1},
    TypeMeaning{"CPU_Double_U", ValueKind::Real, 8},
    TypeMeaning{"float64", ValueKind::Real, 8},
    TypeMeaning{"timer", ValueKind::Timer, 8},
    TypeMeaning{"powered_off", ValueKind::Boolean, 1},
    TypeMeaning{"cpsr", ValueKind::Unsigned, 4},
    TypeMeaning{"fpscr", ValueKind::Unsigned, 4},
    TypeMeaning{"fpcr", ValueKind::Unsigned, 8},
    TypeMeaning{"fpr", ValueKind::Unsigned, 8},
    TypeMeaning{"vsr", ValueKind::Unsigned, 8},
    TypeMeaning{"cpu/altivec/vscr", ValueKind::Unsigned, 4},
    TypeMeaning{"sreg", ValueKind::Unsigned, 1},
    TypeMeaning{"eind", ValueKind::Unsigned, 1},
    TypeMeaning{"rampD", ValueKind::Unsigned, 1},
    TypeMeaning{"rampX", ValueKind::Unsigned, 1},
    TypeMeaning{"rampY", ValueKind::Unsigned, 1},
    TypeMeaning{"rampZ", ValueKind::Unsigned, 1},
    TypeMeaning{"capability", ValueKind::Text, 0},
    TypeMeaning{"bitmap", ValueKind::Bitmap, 0},
};

// What else QEMU's fields are of; their bytes are bytes here, or described in another way.
constexpr std::array<std::string_view, 14> kOtherTypes{
    "buffer", "unused_buffer", "struct", "vstruct", "tmp",        "qtailq",        "qlist",
    "gtree",  "nullptr",       "virtio", "shpc",    "pci config", "pci irq state", "msix state",
};

uint64_t big_endian(std::span<const std::byte> bytes) {
  uint64_t value = 0;
  for (std::byte byte : bytes) value = value << 8 | std::to_integer<uint64_t>(byte);
  return value;
}

// Those of layouts that are known; descriptions in streams have none.
bool is_little_endian(std::string_view type) {
  return type == "le16" || type == "le32" || type == "le64" || type.starts_with("guest");
}

uint64_t little_endian(std::span<const std::byte> bytes) {
  uint64_t value = 0;
  for (size_t i = bytes.size(); i-- > 0;) value = value << 8 | std::to_integer<uint64_t>(bytes[i]);
  return value;
}

// The words behind the count, as many as there are bytes for.
std::span<const std::byte> bitmap_words(std::span<const std::byte> bytes) {
  if (bytes.size() < 8) return {};
  auto words = bytes.subspan(8);
  uint64_t count = std::min<uint64_t>(big_endian(bytes.first(8)), words.size() / 8);
  return words.first(count * 8);
}

}  // namespace

DeviceField make_field(std::string_view name, std::string_view type, uint64_t offset,
                       std::span<const std::byte> bytes) {
  DeviceField field;
  field.name = name;
  field.type = type;
  field.offset = offset;
  field.bytes = bytes;
  return field;
}

ValueKind scalar_kind(std::string_view type, uint64_t size) {
  auto fits = [&](const TypeMeaning& meaning) {
    return meaning.type == type && (meaning.size == 0 || meaning.size == size);
  };
  auto found = std::ranges::find_if(kMeanings, fits);
  return found == kMeanings.end() ? ValueKind::Bytes : found->kind;
}

uint64_t scalar_size(std::string_view type) {
  auto found = std::ranges::find(kMeanings, type, &TypeMeaning::type);
  return found == kMeanings.end() ? 0 : found->size;
}

bool is_misspelt_type(std::string_view type) {
  auto is_near = [&](std::string_view known) { return is_one_bit_off(type, known); };
  bool is_known = std::ranges::find(kMeanings, type, &TypeMeaning::type) != kMeanings.end();
  return !is_known && (std::ranges::any_of(kMeanings, is_near, &TypeMeaning::type) ||
                       std::ranges::any_of(kOtherTypes, is_near));
}

bool is_null_pointer(const VmdescField& field) {
  if (field.size != 1) return false;
  if (field.type == "nullptr" || field.type == "uint64") return true;
  return field.type == "struct" && field.fields.empty() && field.subsections.empty();
}

DeviceField DeviceField::element(uint64_t number) const {
  uint64_t width = array_len.value_or(0) > 0 ? bytes.size() / *array_len : 0;
  DeviceField one = *this;
  one.array_len.reset();
  one.index = number;
  one.offset += number * width;
  one.bytes = bytes.subspan(number * width, width);
  return one;
}

uint64_t DeviceField::as_unsigned() const {
  return is_little_endian(type) ? little_endian(bytes) : big_endian(bytes);
}

int64_t DeviceField::as_signed() const {
  if (bytes.empty()) return 0;
  unsigned unused_bits = 64 - 8 * static_cast<unsigned>(std::min<size_t>(bytes.size(), 8));
  return static_cast<int64_t>(big_endian(bytes) << unused_bits) >> unused_bits;
}

bool DeviceField::as_boolean() const {
  // The marker of a pointer is a digit: '0' or '1'.
  return type == "ptr-marker" ? as_unsigned() != 0x30 : as_unsigned() != 0;
}

double DeviceField::as_real() const {
  return std::bit_cast<double>(big_endian(bytes));
}

std::string_view DeviceField::as_text() const {
  if (bytes.empty()) return {};
  auto text = bytes.subspan(1);
  text = text.first(std::min(text.size(), std::to_integer<size_t>(bytes.front())));
  return {reinterpret_cast<const char*>(text.data()), text.size()};
}

std::string DeviceField::as_bit_ranges() const {
  auto words = bitmap_words(bytes);
  auto is_set = [&](uint64_t bit) {
    uint64_t word = big_endian(words.subspan(bit / 64 * 8, 8));
    return (word >> (bit % 64) & 1) != 0;
  };
  std::string ranges;
  uint64_t bits = words.size() * 8;
  for (uint64_t bit = 0; bit < bits; ++bit) {
    if (!is_set(bit)) continue;
    uint64_t last = bit;
    while (last + 1 < bits && is_set(last + 1)) ++last;
    if (!ranges.empty()) ranges += ',';
    ranges += last == bit ? fmt::format("{}", bit) : fmt::format("{}-{}", bit, last);
    bit = last;
  }
  return ranges;
}

}  // namespace vmstream
