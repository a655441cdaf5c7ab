// SPDX-License-Identifier: MIT
// Everything decoded, one device after the other, so that only one tree is in memory.
#include <fmt/format.h>

#include <limits>
#include <nlohmann/json.hpp>

#include <vmstream/device_collector.h>
#include <vmstream/text.h>
#include "common/output.h"
#include "vmstream-inspect/commands/commands.h"
#include "vmstream-inspect/commands/device_reading.h"
#include "vmstream-inspect/print/device_view.h"
#include "vmstream-inspect/print/json_layout.h"

namespace vminspect {

using nlohmann::ordered_json;
using vmstream::escape;
using vmtools::ExitStatus;
using vmtools::print;
using vmtools::Session;

namespace {

struct DumpInput {
  const Subject& subject;
  const vmstream::StreamSummary& summary;
  const vmstream::DeviceCollector& collector;
  bool with_offsets = true;
};

void drop_offsets(ordered_json& json) {
  if (json.is_object()) json.erase("offset");
  if (!json.is_structured()) return;
  for (auto& member : json) drop_offsets(member);
}

void add_problems(const vmstream::DecodedDevice& device, vmstream::ProblemLog& problems) {
  for (const auto& problem : device.state.problems) problems.add(problem);
}

// What info says, with the devices opened.
void dump_json(const DumpInput& input, vmstream::ProblemLog& problems) {
  auto head = info_json(input.subject, input.summary);
  head["schema"] = "vmstream.state/1";
  for (const char* key : {"devices", "problems", "problem_count"}) head.erase(key);
  if (!input.with_offsets) drop_offsets(head);
  JsonRows devices;
  devices.open(head, "devices");
  for (const auto& section : input.collector.sections()) {
    auto device = input.collector.decode(section);
    add_problems(device, problems);
    auto json = device_json(device);
    if (!input.with_offsets) drop_offsets(json);
    devices.add(json);
  }
  devices.close({{"problems", problems_json(problems)}, {"problem_count", problems.total()}});
}

void dump_xml(const DumpInput& input, vmstream::ProblemLog& problems) {
  const auto& summary = input.summary;
  std::string machine = summary.configuration ? summary.configuration->machine : "";
  print(
      fmt::format("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
                  "<stream file=\"{}\" version=\"{}\" machine=\"{}\" complete=\"{}\" "
                  "length=\"{}\">\n",
                  xml_text(input.subject.file), summary.header ? summary.header->version : 0,
                  xml_text(machine), summary.complete, summary.stream_bytes));
  print(fmt::format("  <ram size=\"{}\">\n", summary.ram_bytes));
  for (const auto& block : summary.blocks) {
    print(fmt::format("    <block name=\"{}\" size=\"{}\"/>\n", xml_text(block.block.name),
                      block.block.used_length));
  }
  print("  </ram>\n");
  for (const auto& section : input.collector.sections()) {
    auto device = input.collector.decode(section);
    add_problems(device, problems);
    print(device_xml(device, input.with_offsets));
  }
  // Messages are escaped already.
  for (const auto& problem : problems.kept()) {
    print(fmt::format("  <problem offset=\"{}\" known_flaw=\"{}\">{}</problem>\n", problem.offset,
                      problem.known_flaw, xml_text(problem.message)));
  }
  print("</stream>\n");
}

std::string ascii_json(const ordered_json& value) {
  return value.dump(-1, ' ', true, ordered_json::error_handler_t::replace);
}

// As the library would lay it out, but never as one text: tables of a device have megabytes.
void print_laid_out(const ordered_json& value, const std::string& indent) {
  if (!value.is_structured() || value.empty()) {
    print(ascii_json(value));
    return;
  }
  std::string deeper = indent + "    ";
  std::string_view between = value.is_object() ? "{\n" : "[\n";
  for (const auto& [key, element] : value.items()) {
    print(between);
    print(deeper);
    if (value.is_object()) print(ascii_json(key) + ": ");
    print_laid_out(element, deeper);
    between = ",\n";
  }
  print("\n" + indent + (value.is_object() ? "}" : "]"));
}

// Sections in the order in which they begin, devices and those in parts alike; the script knows
// the content of ram only.
class AnalyserDump {
 public:
  void add(std::string_view idstr, uint32_t section_id, const ordered_json& value) {
    print(first_ ? "{\n    " : ",\n    ");
    print(ascii_json(fmt::format("{} ({})", escape(idstr), section_id)) + ": ");
    print_laid_out(value, "    ");
    first_ = false;
  }

  void end() { print(first_ ? "{}\n" : "\n}\n"); }

 private:
  bool first_ = true;
};

ordered_json analysed_ram(const vmstream::StreamSummary& summary) {
  auto sizes = ordered_json::object();
  for (const auto& block : summary.blocks) {
    sizes[escape(block.block.name)] = fmt::format("0x{:016x}", block.block.used_length);
  }
  return {{"section sizes", std::move(sizes)}};
}

void dump_analysed(const DumpInput& input, vmstream::ProblemLog& problems) {
  AnalyserDump out;
  auto iterable = input.summary.iterables.begin();
  auto add_iterables_before = [&](uint64_t offset) {
    for (; iterable != input.summary.iterables.end() && iterable->start.offset < offset;
         ++iterable) {
      const auto& start = iterable->start;
      auto value = start.idstr == "ram" ? analysed_ram(input.summary) : ordered_json("");
      out.add(start.idstr, start.section_id, value);
    }
  };
  for (const auto& section : input.collector.sections()) {
    add_iterables_before(section.header.offset);
    auto device = input.collector.decode(section);
    add_problems(device, problems);
    out.add(section.header.idstr, section.header.section_id, analyser_json(device));
  }
  add_iterables_before(std::numeric_limits<uint64_t>::max());
  out.end();
}

}  // namespace

void print_state_json(const DeviceReading& read) {
  auto problems = read.summary.problems;
  dump_json({read.reading.subject, read.summary, *read.collector}, problems);
}

ExitStatus answer_dump(Session& session, const InspectOptions& options) {
  auto schema = read_schema(session, options);
  if (!schema) return session.fail(*options.schema, schema.error());
  auto read = read_devices(session, options, *schema);
  if (!read) return session.fail(shown_name(options), read.error());
  const auto& [reading, collector, summary] = *read;
  auto problems = summary.problems;
  DumpInput input{reading.subject, summary, *collector, !options.no_offsets};
  switch (options.format) {
    case DumpFormat::Json:
      dump_json(input, problems);
      break;
    case DumpFormat::Xml:
      dump_xml(input, problems);
      break;
    case DumpFormat::Qemu:
      dump_analysed(input, problems);
      break;
  }
  return judge(session, options, reading.scan, problems);
}

}  // namespace vminspect
