// SPDX-License-Identifier: MIT
#include "vmstream-inspect/commands/device_answer.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>

#include <vmstream/device_collector.h>
#include <vmstream/text.h>
#include "common/output.h"
#include "vmstream-inspect/commands/description.h"
#include "vmstream-inspect/commands/device_reading.h"
#include "vmstream-inspect/print/device_view.h"

namespace vmtools {

using nlohmann::ordered_json;
using vmstream::DecodedDevice;
using vmstream::Errc;
using vmstream::Error;
using vmstream::escape;
using vmstream::Result;

namespace {

constexpr size_t kNamesInHint = 20;

// "'a', 'b', …"
template <typename Names>
std::string list_of(const Names& names) {
  std::string list;
  size_t count = 0;
  for (const auto& name : names) {
    if (count++ == kNamesInHint) return list + ", ...";
    list += fmt::format("{}'{}'", list.empty() ? "" : ", ", escape(name));
  }
  return list;
}

// The idstr that `wanted` means: itself, or the only one that ends with it. Whole components of a
// device path go before other tails.
Result<std::string> find_idstr(const vmstream::StreamSummary& summary, const std::string& wanted) {
  std::set<std::string> all;
  std::set<std::string> by_component;
  std::set<std::string> by_tail;
  for (const auto& device : summary.devices) {
    const std::string& idstr = device.header.idstr;
    all.insert(idstr);
    if (idstr.ends_with("/" + wanted)) by_component.insert(idstr);
    if (idstr.ends_with(wanted)) by_tail.insert(idstr);
  }
  if (all.contains(wanted)) return wanted;
  const auto& fitting = by_component.empty() ? by_tail : by_component;
  if (fitting.size() == 1) return *fitting.begin();
  if (fitting.empty()) {
    return Error{
        Errc::Usage,
        fmt::format("there is no device '{}'", escape(wanted)),
        {},
        {},
        all.empty() ? "the stream has no device sections" : "the stream has " + list_of(all)};
  }
  return Error{Errc::Usage,
               fmt::format("'{}' could be {} devices", escape(wanted), fitting.size()),
               {},
               {},
               "one of " + list_of(fitting)};
}

std::vector<DecodedDevice> decode_instances(const vmstream::DeviceCollector& collector,
                                            const std::string& idstr,
                                            std::optional<uint64_t> instance) {
  std::vector<DecodedDevice> devices;
  for (const auto& section : collector.sections()) {
    if (section.header.idstr != idstr) continue;
    if (instance && section.header.instance_id != *instance) continue;
    devices.push_back(collector.decode(section));
  }
  return devices;
}

Error no_instance(const vmstream::StreamSummary& summary, const std::string& idstr,
                  uint64_t instance) {
  std::vector<std::string> known;
  for (const auto& device : summary.devices) {
    if (device.header.idstr == idstr) {
      known.push_back(fmt::format("{}", device.header.instance_id));
    }
  }
  return Error{Errc::Usage,
               fmt::format("device '{}' has no instance {}", escape(idstr), instance),
               {},
               {},
               "there are instances " + list_of(known)};
}

// Leaves of each device what the path leads to; devices without it go.
vmstream::Status narrow(std::vector<DecodedDevice>& devices, const std::string& path) {
  std::vector<std::string_view> names;
  for (const auto& field : devices.front().state.fields) names.push_back(field.name);
  for (const auto& subsection : devices.front().state.subsections) names.push_back(subsection.name);
  std::string idstr = devices.front().section->header.idstr;
  std::erase_if(devices, [&](DecodedDevice& device) {
    auto found = find_field(device.state, path);
    device.state.fields.clear();
    device.state.subsections.clear();
    if (found.field) device.state.fields.push_back(std::move(*found.field));
    if (found.subsection) device.state.subsections.push_back(std::move(*found.subsection));
    return !found;
  });
  if (!devices.empty()) return vmstream::ok();
  return Error{Errc::Usage,
               fmt::format("device '{}' has no field '{}'", escape(idstr), escape(path)),
               {},
               {},
               "it has " + list_of(names)};
}

void print_device_json(const Subject& subject, const std::vector<DecodedDevice>& devices,
                       const vmstream::ProblemLog& problems) {
  ordered_json json{{"schema", "vmstream.device/1"}, {"file", escape(subject.file)}};
  if (devices.size() == 1) {
    json.update(device_json(devices.front()));
  } else {
    json["idstr"] = escape(devices.front().section->header.idstr);
    json["instances"] = ordered_json::array();
    for (const auto& device : devices) json["instances"].push_back(device_json(device));
  }
  json["problems"] = problems_json(problems);
  json["problem_count"] = problems.total();
  print_json(json);
}

void print_device_text(const std::vector<DecodedDevice>& devices, bool whole) {
  bool first = true;
  for (const auto& device : devices) {
    print((first ? "" : "\n") + device_text(device, whole));
    first = false;
    for (const auto& problem : device.state.problems) {
      print(fmt::format("problem at 0x{:x}: {}{}\n", problem.offset, problem.message,
                        problem.known_flaw ? " (QEMU is known to write this)" : ""));
    }
  }
}

}  // namespace

ExitStatus answer_device(Session& session, const InspectOptions& options) {
  const std::string& wanted = options.arguments.front();
  auto schema = read_schema(session, options);
  if (!schema) return session.fail(*options.schema, schema.error());
  auto read = read_devices(session, options, *schema, [&](const vmstream::SectionHeader& header) {
    return header.idstr.ends_with(wanted);
  });
  if (!read) return session.fail(shown_name(options), read.error());
  const auto& [reading, collector, summary] = *read;

  auto idstr = find_idstr(summary, wanted);
  if (!idstr && reading.scan.fault) {  // it may stand behind the fault
    session.fail(shown_name(options), idstr.error());
    return judge(session, options, reading.scan, summary.problems);
  }
  if (!idstr) return session.fail(shown_name(options), idstr.error());
  auto devices = decode_instances(*collector, *idstr, options.instance);
  if (devices.empty()) {
    auto error = no_instance(summary, *idstr, options.instance.value_or(0));
    return session.fail(shown_name(options), error);
  }
  auto problems = summary.problems;
  for (const auto& device : devices) {
    for (const auto& problem : device.state.problems) problems.add(problem);
  }
  bool has_path = options.arguments.size() > 1;
  if (has_path) {
    auto narrowed = narrow(devices, options.arguments[1]);
    if (!narrowed) return session.fail(shown_name(options), narrowed.error());
  }
  if (options.common.json) {
    print_device_json(reading.subject, devices, problems);
  } else {
    print_device_text(devices, has_path);
  }
  return judge(session, options, reading.scan, problems);
}

}  // namespace vmtools
