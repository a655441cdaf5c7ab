// SPDX-License-Identifier: MIT
// JSON: snake_case keys, plain numbers, null for what is not known. Keys may be added, never
// renamed. Names from the stream are escaped as everywhere else.
#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include <vmstream/text.h>
#include "common/around_file.h"
#include "common/json_text.h"
#include "common/output.h"
#include "vmstream-inspect/print/json_layout.h"
#include "vmstream-inspect/print/printer.h"

namespace vminspect {

using vmtools::containers_json;
using vmtools::date_text;
using vmtools::or_null;
using vmtools::print_json;

namespace {

using nlohmann::ordered_json;
using vmstream::escape;
using vmstream::PageKind;

ordered_json configuration_json(const std::optional<vmstream::Configuration>& configuration) {
  if (!configuration) return nullptr;
  ordered_json json{{"offset", configuration->offset},
                    {"length", configuration->length},
                    {"machine", escape(configuration->machine)},
                    {"target_page_bits", or_null(configuration->target_page_bits)}};
  auto capabilities = ordered_json::array();
  for (const auto& name : configuration->capabilities.value_or(std::vector<std::string>{})) {
    capabilities.push_back(escape(name));
  }
  json["capabilities"] = std::move(capabilities);
  json["uuid"] =
      configuration->uuid ? ordered_json(vmstream::uuid_text(*configuration->uuid)) : nullptr;
  return json;
}

ordered_json stream_json(const vmstream::StreamSummary& summary) {
  ordered_json json;
  json["version"] = summary.header ? ordered_json(summary.header->version) : nullptr;
  json["machine"] =
      summary.configuration ? ordered_json(escape(summary.configuration->machine)) : nullptr;
  json["complete"] = summary.complete;
  json["end_inferred"] = summary.end_is_inferred();
  json["ram_read"] = summary.ram_read;
  json["length"] = summary.stream_bytes;
  json["trailing_bytes"] = summary.trailing_bytes;
  json["target_page_size"] = or_null(summary.target_page_size);
  json["configuration"] = configuration_json(summary.configuration);
  json["footers"] = summary.footers;
  if (summary.ram_read) json["commands"] = summary.commands;
  json["postcopy"] = summary.postcopy;
  json["run_state"] = summary.run_state ? ordered_json(escape(*summary.run_state)) : nullptr;
  return json;
}

// What is not known is left out.
ordered_json capture_json(const vmstream::CaptureCircumstances& capture, const std::string& file) {
  auto json = ordered_json::object();
  auto add = [&json](const char* key, const std::string& value) {
    if (!value.empty()) json[key] = escape(value);
  };
  add("time", capture.time);
  add("mode", capture.mode);
  add("run_state", capture.run_state);
  add("qemu_version", capture.qemu_version);
  add("command_line", capture.command_line);
  add("vmstream_version", capture.vmstream_version);
  if (capture.disks.empty()) return json;
  json["disks"] = vmtools::disks_json(capture.disks);
  json["go_back"] = vmstream::command_to_go_back(capture.disks, file);
  return json;
}

ordered_json version_json(const std::optional<vmstream::QemuVersion>& version) {
  return version ? ordered_json(to_string(*version)) : ordered_json(nullptr);
}

ordered_json qemu_json(const vmstream::QemuVersionRange& range) {
  return {{"at_least", version_json(range.lowest())},
          {"at_most", version_json(range.highest())},
          {"inferred", true},
          {"because", range.because()}};
}

// Counts that are not known because the RAM was not read are left out.
void add_pages(ordered_json& json, const vmstream::PageCounts& pages, bool known) {
  if (!known) return;
  json["pages"] = pages.total();
  for (PageKind kind : vmstream::PageCounts::kKinds) {
    json[fmt::format("{}_pages", name_of(kind))] = pages[kind];
  }
}

ordered_json block_json(const vmstream::RamBlockSummary& summary, bool ram_read) {
  ordered_json json{{"name", escape(summary.block.name)}, {"size", summary.block.used_length}};
  if (summary.block.page_size) json["page_size"] = *summary.block.page_size;
  if (summary.block.guest_address) json["guest_address"] = *summary.block.guest_address;
  add_pages(json, summary.pages, ram_read);
  return json;
}

ordered_json ram_json(const vmstream::StreamSummary& summary) {
  ordered_json json{{"present", summary.ram_version.has_value()},
                    {"total", summary.ram_bytes},
                    {"version", or_null(summary.ram_version)}};
  add_pages(json, summary.pages, summary.ram_read);
  auto blocks = ordered_json::array();
  for (const auto& block : summary.blocks) {
    blocks.push_back(block_json(block, summary.ram_read));
    if (!summary.ram_read || !summary.complete) continue;
    blocks.back()["absent_pages"] =
        vmstream::count_absent_pages(block, summary.target_page_size.value_or(0));
  }
  json["blocks"] = std::move(blocks);
  return json;
}

ordered_json iterables_json(const vmstream::StreamSummary& summary) {
  auto list = ordered_json::array();
  for (const auto& iterable : summary.iterables) {
    ordered_json json{{"idstr", escape(iterable.start.idstr)},
                      {"instance_id", iterable.start.instance_id},
                      {"version_id", iterable.start.version_id},
                      {"section_id", iterable.start.section_id}};
    if (summary.ram_read) {
      json["sections"] = iterable.sections;
      json["bytes"] = iterable.bytes;
      json["ended"] = iterable.ended;
    }
    list.push_back(std::move(json));
  }
  return list;
}

ordered_json device_json(const vmstream::DeviceSummary& device) {
  return {{"idstr", escape(device.header.idstr)},     {"instance_id", device.header.instance_id},
          {"version_id", device.header.version_id},   {"section_id", device.header.section_id},
          {"offset", device.header.offset},           {"length", device.length},
          {"body_offset", device.header.body_offset}, {"body_length", device.body_length},
          {"fields", or_null(device.fields)},         {"subsections", or_null(device.subsections)},
          {"bounded_by", name_of(device.bounded_by)}};
}

ordered_json start_json(const vmstream::StartArguments& start) {
  ordered_json json{{"arguments", escape(start.text())},
                    {"machine", or_null(escape(start.machine))},
                    {"memory_bytes", start.memory_bytes},
                    {"cpus", start.cpus},
                    {"cpu", or_null(start.cpu)},
                    {"accelerator", or_null(std::string(start.kvm ? "kvm" : ""))},
                    {"uuid", or_null(start.uuid)},
                    {"nodefaults", start.nodefaults}};
  auto devices = ordered_json::array();
  for (const auto& device : start.devices) {
    devices.push_back(
        {{"name", escape(device.idstr)}, {"argument", or_null(escape(device.argument))}});
  }
  json["devices"] = std::move(devices);
  return json;
}

// The guest's date has no zone, as it may keep local time.
ordered_json clocks_json(const Subject& subject, const vmstream::GuestClocks& clocks) {
  ordered_json json{{"save_time", nullptr}, {"save_time_source", nullptr}};
  if (subject.capture && !subject.capture->time.empty()) {
    json["save_time"] = escape(subject.capture->time);
    json["save_time_source"] = "index";
  } else if (clocks.saved_seconds) {
    json["save_time"] = date_text(*clocks.saved_seconds) + "Z";
    json["save_time_source"] = "rtc";
  }
  json["rtc"] = clocks.rtc_seconds ? ordered_json(date_text(*clocks.rtc_seconds)) : nullptr;
  json["kvmclock_ns"] = or_null(clocks.kvmclock_ns);
  json["run_ns"] = or_null(clocks.run_ns);
  return json;
}

ordered_json devices_json(const vmstream::StreamSummary& summary) {
  auto list = ordered_json::array();
  for (const auto& device : summary.devices) list.push_back(device_json(device));
  return list;
}

ordered_json record_json(const vmstream::StreamRecord& record) {
  ordered_json json{
      {"offset", record.offset}, {"length", record.length}, {"type", name_of(record)}};
  if (record.section) {
    json["section_id"] = record.section->section_id;
    json["idstr"] = escape(record.section->idstr);
    json["instance_id"] = record.section->instance_id;
    json["version_id"] = record.section->version_id;
    json["footer"] = record.footer;
    json["body_length"] = record.body_length;
    json["bounded_by"] = name_of(record.bounded_by);
  }
  if (record.command) {
    json["command"] = name_of(*record.command);
    json["command_id"] = static_cast<uint16_t>(*record.command);
  }
  if (record.packaged) json["packaged"] = true;
  if (!record.whole) json["whole"] = false;
  return json;
}

class JsonPrinter final : public Printer {
 public:
  void info(const Subject& subject, const vmstream::StreamSummary& summary) override {
    print_json(info_json(subject, summary));
  }

  void devices(const Subject& subject, const vmstream::StreamSummary& summary) override {
    auto json = opening_json("vmstream.devices/1", subject);
    json["complete"] = summary.complete;
    json["ram_read"] = summary.ram_read;
    json["vmdesc"] = summary.vmdesc;
    json["devices"] = devices_json(summary);
    json["problems"] = problems_json(summary.problems);
    json["problem_count"] = summary.problems.total();
    print_json(json);
  }

  // With the other keys of info, of which nothing is known.
  void snapshots(const Subject& subject, const vmstream::ImageSnapshots& snapshots) override {
    auto json = opening_json("vmstream.info/1", subject);
    json["snapshots"] = ordered_json::array();
    for (const auto& snapshot : snapshots.list) {
      json["snapshots"].push_back(vmtools::snapshot_json(snapshot));
    }
    for (const char* key : {"stream", "ram"}) json[key] = nullptr;
    json["devices"] = ordered_json::array();
    json["vmdesc"] = false;
    vmstream::ProblemLog problems;
    if (snapshots.fault) problems.add({.offset = 0, .message = describe(*snapshots.fault)});
    json["problems"] = problems_json(problems);
    json["problem_count"] = problems.total();
    print_json(json);
  }

  void begin_sections(const Subject& subject) override {
    rows_.open(opening_json("vmstream.sections/1", subject), "sections");
  }

  void record(const vmstream::StreamRecord& record) override { rows_.add(record_json(record)); }

  void end_sections(const vmstream::ScanResult& scan,
                    const vmstream::ProblemLog& problems) override {
    rows_.close({{"complete", scan.complete()},
                 {"length", scan.stream_bytes},
                 {"plain_bytes", scan.plain_bytes},
                 {"problems", problems_json(problems)},
                 {"problem_count", problems.total()}});
  }

 private:
  JsonRows rows_;
};

}  // namespace

std::string_view name_of(AnswerSource source) {
  switch (source) {
    case AnswerSource::Stream:
      return "stream";
    case AnswerSource::Ends:
      return "ends";
    case AnswerSource::Index:
      return "index";
  }
  return "";
}

ordered_json problems_json(const vmstream::ProblemLog& problems) {
  auto list = ordered_json::array();
  for (const auto& problem : problems.kept()) {
    list.push_back({{"offset", problem.offset},
                    {"message", problem.message},
                    {"known_flaw", problem.known_flaw},
                    {"effect", name_of(problem.effect)}});
  }
  return list;
}

ordered_json opening_json(std::string_view schema, const Subject& subject) {
  return {{"schema", schema},
          {"file", escape(subject.file)},
          {"containers", containers_json(subject.containers)},
          {"source", name_of(subject.source)}};
}

ordered_json info_json(const Subject& subject, const vmstream::StreamSummary& summary) {
  auto json = opening_json("vmstream.info/1", subject);
  if (subject.sha256) json["sha256"] = *subject.sha256;
  if (subject.capture) json["capture"] = capture_json(*subject.capture, subject.file);
  json["verdict"] = name_of(summary.load.verdict);
  json["stream"] = stream_json(summary);
  json["qemu"] = qemu_json(summary.qemu);
  json["start"] = start_json(summary.start);
  json["clocks"] = clocks_json(subject, summary.clocks);
  json["ram"] = ram_json(summary);
  json["iterables"] = iterables_json(summary);
  json["devices"] = devices_json(summary);
  json["vmdesc"] = summary.vmdesc;
  json["problems"] = problems_json(summary.problems);
  json["problem_count"] = summary.problems.total();
  return json;
}

std::unique_ptr<Printer> make_json_printer() {
  return std::make_unique<JsonPrinter>();
}

}  // namespace vminspect
