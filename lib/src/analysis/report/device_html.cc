// SPDX-License-Identifier: MIT
#include "analysis/report/device_html.h"

#include <fmt/format.h>

#include <algorithm>

#include "analysis/report/html.h"

namespace vmstream {

namespace {

constexpr size_t kRowsOfDevice = 500;
constexpr size_t kRowsOfReport = 15000;
constexpr size_t kDevicesOfReport = 1000;
constexpr size_t kBytesOfRows = 6u << 20;  // of HTML; usual ones take a tenth of it
constexpr size_t kShownElements = 8;
constexpr size_t kShownValueBytes = 32;
constexpr size_t kShownText = 200;

std::string hex_of(std::span<const std::byte> bytes) {
  if (bytes.empty()) return "empty";
  auto is_zero = [](std::byte byte) { return byte == std::byte{0}; };
  if (bytes.size() > 1 && std::ranges::all_of(bytes, is_zero)) {
    return fmt::format("{} zero bytes", bytes.size());
  }
  std::string text;
  for (std::byte byte : bytes.first(std::min(bytes.size(), kShownValueBytes))) {
    text += fmt::format("{}{:02x}", text.empty() ? "" : " ", std::to_integer<unsigned>(byte));
  }
  if (bytes.size() > kShownValueBytes) text += fmt::format(" ... ({} bytes)", bytes.size());
  return text;
}

std::string cut_text(std::string text) {
  if (text.size() <= kShownText) return text;
  size_t length = text.size();
  text.resize(kShownText);
  return text + fmt::format(" ... ({} letters)", length);
}

// Not safe for HTML yet.
std::string value_of(const DeviceField& field) {
  switch (field.kind) {
    case ValueKind::Unsigned: {
      uint64_t value = field.as_unsigned();
      return value < 10 ? fmt::format("{}", value) : fmt::format("{:#x} ({})", value, value);
    }
    case ValueKind::Signed:
      return fmt::format("{}", field.as_signed());
    case ValueKind::Timer:
      return field.as_signed() == -1 ? "not armed" : fmt::format("{} ns", field.as_signed());
    case ValueKind::Boolean:
      return field.as_boolean() ? "true" : "false";
    case ValueKind::Real:
      return fmt::format("{}", field.as_real());
    case ValueKind::Text:
      return cut_text(std::string(field.as_text()));
    case ValueKind::Bitmap: {
      std::string bits = field.as_bit_ranges();
      return bits.empty() ? "no bits" : "bits " + cut_text(std::move(bits));
    }
    case ValueKind::Null:
      return "null";
    case ValueKind::Bytes:
    case ValueKind::Struct:
    case ValueKind::List:
      break;
  }
  return hex_of(field.bytes);
}

std::string values_of(const DeviceField& field) {
  if (!field.array_len) return value_of(field);
  std::string text;
  uint64_t shown = std::min<uint64_t>(*field.array_len, kShownElements);
  for (uint64_t i = 0; i < shown; ++i) {
    text += (i == 0 ? "" : ", ") + value_of(field.element(i));
  }
  if (shown < *field.array_len) text += fmt::format(" ... ({} elements)", *field.array_len);
  return text;
}

class FieldRows {
 public:
  FieldRows(size_t most, size_t most_bytes) : most_(most), most_bytes_(most_bytes) {}

  void add(const std::vector<DeviceField>& fields,
           const std::vector<DeviceSubsection>& subsections) {
    for (const DeviceField& field : fields) add_field(field);
    for (const DeviceSubsection& subsection : subsections) {
      row(subsection.offset, fmt::format("subsection {}", subsection.name),
          fmt::format("version {}", subsection.version), "");
      ++depth_;
      add(subsection.fields, subsection.subsections);
      --depth_;
    }
  }

  size_t shown() const { return shown_; }
  size_t left_out() const { return rows_ - shown_; }
  std::string take() { return std::move(html_); }

 private:
  bool is_full() const { return shown_ >= most_ || html_.size() >= most_bytes_; }

  void add_field(const DeviceField& field) {
    std::string name(field.name);
    if (field.index) name += fmt::format("[{}]", *field.index);
    std::string value;
    if (field.kind == ValueKind::List) {
      value = fmt::format("{} elements", field.fields.size());
    } else if (!field.is_composite()) {
      value = is_full() ? "" : values_of(field);
    }
    row(field.offset, name, field.type, value);
    if (!field.is_composite()) return;
    ++depth_;
    add(field.fields, field.subsections);
    --depth_;
  }

  void row(uint64_t offset, std::string_view name, std::string_view type, std::string_view value) {
    ++rows_;
    if (is_full()) return;
    ++shown_;
    html_ += fmt::format(R"(<tr><td class="n">{:#x}</td><td style="padding-left:{}em">{}</td>)"
                         R"(<td class="faint">{}</td><td class="v">{}</td></tr>)"
                         "\n",
                         offset, 0.5 + 1.2 * static_cast<double>(std::min<size_t>(depth_, 12)),
                         html_text(cut_text(std::string(name))),
                         html_text(cut_text(std::string(type))), html_text(value));
  }

  size_t most_;
  size_t most_bytes_;
  size_t rows_ = 0;
  size_t shown_ = 0;
  size_t depth_ = 0;
  std::string html_;
};

std::string note_of(const DecodedDevice& device) {
  switch (device.source) {
    case DescriptionSource::Vmdesc:
      return "";
    case DescriptionSource::Schema:
      return fmt::format("Inferred by a schema, with {} confidence. ",
                         name_of(device.confidence.value_or(Confidence::Low)));
    case DescriptionSource::None:
      return "Without a description" + (device.note.empty() ? "" : ": " + device.note) + ". ";
  }
  return "";
}

}  // namespace

std::string devices_html(const DeviceCollector& collector) {
  std::string html;
  size_t rows_left = kRowsOfReport;
  size_t devices = 0;
  for (const DeviceSection& section : collector.sections()) {
    if (devices++ == kDevicesOfReport) break;
    DecodedDevice device = collector.decode(section);
    size_t bytes_left = kBytesOfRows - std::min(kBytesOfRows, html.size());
    FieldRows rows(std::min(rows_left, kRowsOfDevice), bytes_left);
    rows.add(device.state.fields, device.state.subsections);
    rows_left -= rows.shown();
    std::string note = note_of(device);
    for (const Problem& problem : device.state.problems) note += problem.message + ". ";
    if (rows.left_out() > 0) note += fmt::format("{} more rows are left out.", rows.left_out());
    html += fmt::format(
        "<details><summary><code>{}</code> <span class=\"faint\">instance {}, version {}, section "
        "{}, {} bytes</span></summary>\n{}<table class=\"fields\"><tr><th>offset</th><th>field</th>"
        "<th>type</th><th>value</th></tr>\n{}</table></details>\n",
        html_text(section.header.idstr), section.header.instance_id, section.header.version_id,
        section.header.section_id, section.body.size(),
        note.empty() ? "" : "<p>" + html_signs(cut_text(std::move(note))) + "</p>", rows.take());
  }
  if (devices > kDevicesOfReport) {
    html += fmt::format("<p>{} more devices are left out.</p>\n",
                        collector.sections().size() - kDevicesOfReport);
  }
  return html;
}

namespace {

std::string register_rows(const CpuRegisters& cpu) {
  constexpr size_t kMostRegisters = 1000;
  std::string html;
  std::optional<RegisterGroup> group;
  size_t shown = 0;
  for (const CpuRegister& one : cpu.registers) {
    if (shown++ == kMostRegisters) break;
    if (group != one.group) {
      html += fmt::format("{}<h4>{}</h4><div class=\"registers {}\">\n", group ? "</div>" : "",
                          name_of(one.group), name_of(one.group));
      group = one.group;
    }
    html += fmt::format(
        "<div><b>{}</b> <code>{}</code>{}</div>\n", html_signs(one.name), one.hex(),
        one.meaning.empty() ? "" : " <span class=\"faint\">" + html_text(one.meaning) + "</span>");
  }
  if (group) html += "</div>";
  if (cpu.registers.size() <= kMostRegisters) return html;
  return html + fmt::format("<p>{} more registers are left out.</p>",
                            cpu.registers.size() - kMostRegisters);
}

}  // namespace

std::string registers_html(const std::vector<CpuRegisters>& cpus) {
  constexpr size_t kMostProcessors = 64;
  std::string html;
  for (size_t i = 0; i < std::min(cpus.size(), kMostProcessors); ++i) {
    html += fmt::format(
        "<details{}><summary>Processor {} <span class=\"faint\">{}, {} registers</span></summary>\n"
        "{}</details>\n",
        i == 0 ? " open" : "", cpus[i].instance_id, name_of(cpus[i].architecture),
        cpus[i].registers.size(), register_rows(cpus[i]));
  }
  if (cpus.size() > kMostProcessors) {
    html += fmt::format("<p>{} more processors are left out.</p>\n", cpus.size() - kMostProcessors);
  }
  return html;
}

}  // namespace vmstream
