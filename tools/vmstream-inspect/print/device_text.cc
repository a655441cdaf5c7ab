// SPDX-License-Identifier: MIT
// Devices as a table. Numbers of more than one digit are shown in both notations.
#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include <vmstream/text.h>
#include "common/terminal.h"
#include "vmstream-inspect/print/device_view.h"

namespace vminspect {

using vmtools::kTerminalColumns;
using vmtools::shorten;

namespace {

using vmstream::DeviceField;
using vmstream::DeviceSubsection;
using vmstream::escape;
using vmstream::ValueKind;

constexpr std::string_view kRow = "{:>11} {:>7} {:<14} {}";
constexpr size_t kLeastColumns = 24;  // for a name and a value
constexpr size_t kShownBytes = 16;
constexpr size_t kShownRuns = 8;

class DeviceTable {
 public:
  explicit DeviceTable(bool whole) : whole_(whole) {}

  void add(const std::vector<DeviceField>& fields,
           const std::vector<DeviceSubsection>& subsections) {
    for (const auto& field : fields) add_field(field);
    for (const auto& subsection : subsections) {
      row(subsection.offset, subsection.size, "subsection",
          fmt::format("{}, version {}", escape(subsection.name), subsection.version));
      ++depth_;
      add(subsection.fields, subsection.subsections);
      --depth_;
    }
  }

  std::string take() { return std::move(text_); }

 private:
  // What is longer than a line is cut, unless it is wanted whole.
  void row(uint64_t offset, uint64_t size, std::string_view type, std::string what) {
    auto line = fmt::format(kRow, fmt::format("0x{:x}", offset), size, escape(type),
                            std::string(2 * depth_, ' '));
    bool leaves_room = line.size() + kLeastColumns <= kTerminalColumns;
    if (!leaves_room && !whole_) line += "\n    ";
    size_t room = kTerminalColumns - (leaves_room ? line.size() : 4);
    text_ += line + (whole_ ? std::move(what) : shorten(std::move(what), room)) + "\n";
  }

  void add_field(const DeviceField& field) {
    std::string name = escape(field.name);
    if (field.index) name += fmt::format("[{}]", *field.index);
    if (!field.is_composite()) {
      if (field.array_len) name += fmt::format("[0-{}]", *field.array_len - 1);
      row(field.offset, field.size(), field.type, name + " = " + values(field));
      return;
    }
    if (field.kind == ValueKind::List) {
      name += fmt::format(", {} elements", field.fields.size());
    }
    if (field.built_in_layout) name += ", built-in layout";
    row(field.offset, field.size(), field.type, name);
    ++depth_;
    add(field.fields, field.subsections);
    --depth_;
  }

  // "0 x31, 0x10 (16)": elements that are equal are shown once.
  std::string values(const DeviceField& field) const {
    if (!field.array_len) return one(field);
    std::string text;
    size_t runs = 0;
    for (uint64_t i = 0; i < *field.array_len;) {
      DeviceField element = field.element(i);
      uint64_t next = i + 1;
      while (next < *field.array_len &&
             std::ranges::equal(field.element(next).bytes, element.bytes)) {
        ++next;
      }
      if (++runs > kShownRuns && !whole_) return text + ", ...";
      text += (text.empty() ? "" : ", ") + one(element);
      if (next - i > 1) text += fmt::format(" x{}", next - i);
      i = next;
    }
    return text;
  }

  std::string one(const DeviceField& field) const {
    switch (field.kind) {
      case ValueKind::Unsigned: {
        uint64_t value = field.as_unsigned();
        return value < 10 ? fmt::format("{}", value) : fmt::format("0x{:x} ({})", value, value);
      }
      case ValueKind::Signed: {
        int64_t value = field.as_signed();
        return value < 10 ? fmt::format("{}", value) : fmt::format("0x{:x} ({})", value, value);
      }
      case ValueKind::Timer:
        return field.as_signed() == -1 ? "not armed" : fmt::format("{} ns", field.as_signed());
      case ValueKind::Boolean:
        return field.as_boolean() ? "true" : "false";
      case ValueKind::Real:
        return fmt::format("{}", field.as_real());
      case ValueKind::Text:
        return "\"" + escape(field.as_text()) + "\"";
      case ValueKind::Bitmap:
        return bits(field);
      case ValueKind::Null:
        return "null";
      case ValueKind::Bytes:
      case ValueKind::Struct:
      case ValueKind::List:
        break;
    }
    return hex(field.bytes);
  }

  static std::string bits(const DeviceField& field) {
    std::string ranges = field.as_bit_ranges();
    return ranges.empty() ? "no bits" : "bits " + ranges;
  }

  std::string hex(std::span<const std::byte> bytes) const {
    if (bytes.empty()) return "(empty)";
    auto not_zero = [](std::byte byte) { return byte != std::byte{0}; };
    if (!whole_ && bytes.size() > 1 && std::ranges::none_of(bytes, not_zero)) return "zeros";
    if (whole_ || bytes.size() <= kShownBytes) return hex_text(bytes, " ");
    return hex_text(bytes.first(kShownBytes), " ") + " ...";
  }

  bool whole_;
  size_t depth_ = 0;
  std::string text_;
};

std::string source_note(const vmstream::DecodedDevice& device) {
  switch (device.source) {
    case vmstream::DescriptionSource::Vmdesc:
      return "";
    case vmstream::DescriptionSource::Schema:
      return fmt::format(", inferred by a schema with {} confidence",
                         name_of(device.confidence.value_or(vmstream::Confidence::Low)));
    case vmstream::DescriptionSource::None:
      return ", without a description" + (device.note.empty() ? "" : ": " + device.note);
  }
  return "";
}

}  // namespace

std::string device_text(const vmstream::DecodedDevice& device, bool whole) {
  const auto& header = device.section->header;
  std::string text =
      fmt::format("{}, instance {}, version {}, section {}, {} bytes{}\n", escape(header.idstr),
                  header.instance_id, header.version_id, header.section_id,
                  device.section->body.size(), source_note(device));
  text += fmt::format(kRow, "offset", "size", "type", "field\n");
  DeviceTable table(whole);
  table.add(device.state.fields, device.state.subsections);
  return text + table.take();
}

}  // namespace vminspect
