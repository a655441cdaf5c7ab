// SPDX-License-Identifier: MIT
#include "vmstream-inspect/print/register_view.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "common/json_text.h"
#include "common/terminal.h"

namespace vminspect {
namespace {

using nlohmann::ordered_json;
using vmstream::CpuRegister;
using vmstream::CpuRegisters;
using vmstream::RegisterGroup;

ordered_json register_json(const CpuRegister& one) {
  ordered_json json{{"name", one.name}, {"group", name_of(one.group)}, {"bits", one.bits}};
  json["value"] = one.words.size() == 1 ? ordered_json(one.value()) : ordered_json(nullptr);
  json["hex"] = one.hex();
  json["meaning"] = vmtools::or_null(one.meaning);
  json["offset"] = one.offset;
  return json;
}

// The registers of one group, set in columns.
class GroupText {
 public:
  void add(std::string_view name, const std::string& value, const std::string& meaning) {
    rows_.push_back({std::string(name), value, meaning});
    name_width_ = std::max(name_width_, name.size());
    if (meaning.empty()) value_width_ = std::max(value_width_, value.size());
  }

  std::string render() const {
    constexpr size_t kGaps = 4;  // in front and between
    size_t cell = name_width_ + value_width_ + kGaps;
    size_t columns = std::max<size_t>(1, vmtools::kTerminalColumns / std::max<size_t>(1, cell));
    std::string text;
    size_t in_line = 0;
    for (const Row& row : rows_) {
      bool alone = !row.meaning.empty();
      if (in_line > 0 && (alone || in_line == columns)) end_line(text, in_line);
      text += fmt::format("  {:<{}}  {:<{}}", row.name, name_width_, row.value,
                          alone ? row.value.size() : value_width_);
      if (alone) text += "  " + row.meaning;
      ++in_line;
      if (alone) end_line(text, in_line);
    }
    if (in_line > 0) end_line(text, in_line);
    return text;
  }

 private:
  struct Row {
    std::string name;
    std::string value;
    std::string meaning;
  };

  static void end_line(std::string& text, size_t& in_line) {
    text.erase(text.find_last_not_of(' ') + 1);
    text += '\n';
    in_line = 0;
  }

  std::vector<Row> rows_;
  size_t name_width_ = 0;
  size_t value_width_ = 0;
};

// A segment is four registers, and one line.
std::string segments_text(const CpuRegisters& cpu) {
  std::string text;
  for (const CpuRegister& one : cpu.registers) {
    if (one.group != RegisterGroup::Segment) continue;
    bool is_table = one.name.ends_with("dt_base") && !one.name.starts_with("ldt");
    if (one.name.find('_') != std::string::npos && !is_table) continue;
    std::string name = one.name.substr(0, one.name.find('_'));
    auto part = [&](std::string_view suffix) {
      const CpuRegister* found = cpu.find(name + std::string(suffix));
      return found ? found->hex() : "-";
    };
    text += fmt::format("  {:<4} {:<6} base {} limit {}", name, is_table ? "" : one.hex(),
                        part("_base"), part("_limit"));
    if (!is_table) text += fmt::format(" flags {}", part("_flags"));
    text += '\n';
    if (!one.meaning.empty()) text += fmt::format("  {:<11} {}\n", "", one.meaning);
  }
  return text;
}

std::string group_text(const CpuRegisters& cpu, RegisterGroup group) {
  if (group == RegisterGroup::Segment) return segments_text(cpu);
  GroupText text;
  for (const CpuRegister& one : cpu.registers) {
    if (one.group == group) text.add(one.name, one.hex(), one.meaning);
  }
  return text.render();
}

}  // namespace

ordered_json registers_json(const CpuRegisters& cpu) {
  ordered_json json{{"cpu", cpu.instance_id}, {"architecture", name_of(cpu.architecture)}};
  json["registers"] = ordered_json::array();
  for (const CpuRegister& one : cpu.registers) json["registers"].push_back(register_json(one));
  return json;
}

std::string registers_text(const CpuRegisters& cpu) {
  std::string text = fmt::format("cpu {}, {}\n", cpu.instance_id, name_of(cpu.architecture));
  for (auto group : {RegisterGroup::General, RegisterGroup::Segment, RegisterGroup::Control,
                     RegisterGroup::Msr, RegisterGroup::Float, RegisterGroup::Vector,
                     RegisterGroup::System, RegisterGroup::Apic, RegisterGroup::Other}) {
    if (auto lines = group_text(cpu, group); !lines.empty()) {
      text += fmt::format("{}\n{}", name_of(group), lines);
    }
  }
  return text;
}

}  // namespace vminspect
