// SPDX-License-Identifier: MIT
#include "vmstream-inspect/commands/commands.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <nlohmann/json.hpp>
#include <set>

#include <vmstream/device_collector.h>
#include <vmstream/device_state.h>
#include <vmstream/text.h>
#include "common/output.h"
#include "vmstream-inspect/commands/device_reading.h"
#include "vmstream-inspect/print/device_view.h"

namespace vminspect {

using nlohmann::ordered_json;
using vmstream::by_distance;
using vmstream::DecodedDevice;
using vmstream::did_you_mean;
using vmstream::Errc;
using vmstream::Error;
using vmstream::escape;
using vmstream::FoundField;
using vmstream::Result;
using vmtools::ExitStatus;
using vmtools::print;
using vmtools::print_json;
using vmtools::Session;

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

// Nearest to `wanted` first, with what may have been meant in front.
template <typename Names>
std::string nearest_of(std::string_view wanted, std::string_view intro, const Names& names) {
  std::vector<std::string> all(names.begin(), names.end());
  std::string meant = did_you_mean(wanted, all);
  return fmt::format("{}{}{} {}", meant, meant.empty() ? "" : " ", intro,
                     list_of(by_distance(wanted, std::move(all))));
}

// Names of devices that fit, by how well they do.
struct FittingNames {
  std::set<std::string> by_component;  // a whole part at the end of a device path
  std::set<std::string> by_tail;
  std::set<std::string> by_middle;

  bool has_ends() const { return !by_component.empty() || !by_tail.empty(); }
  const std::set<std::string>& best() const {
    if (!by_component.empty()) return by_component;
    return by_tail.empty() ? by_middle : by_tail;
  }
};

FittingNames find_fitting(const vmstream::StreamSummary& summary, const std::string& wanted) {
  FittingNames names;
  for (const auto& device : summary.devices) {
    const std::string& idstr = device.header.idstr;
    if (idstr.ends_with("/" + wanted) || idstr == wanted) names.by_component.insert(idstr);
    if (idstr.ends_with(wanted)) names.by_tail.insert(idstr);
    if (idstr.find(wanted) != std::string::npos) names.by_middle.insert(idstr);
  }
  if (names.by_component.contains(wanted)) names.by_component = {wanted};
  return names;
}

// The idstr that `wanted` means: itself, or the only one that it is a part of. Whole components of
// a device path go before other tails, tails before what stands in the middle.
Result<std::string> find_idstr(const vmstream::StreamSummary& summary, const std::string& wanted) {
  auto names = find_fitting(summary, wanted);
  const auto& fitting = names.best();
  if (fitting.size() == 1) return *fitting.begin();
  if (!fitting.empty()) {
    return Error{Errc::Usage,
                 fmt::format("'{}' could be {} devices", escape(wanted), fitting.size()),
                 {},
                 {},
                 "one of " + list_of(fitting)};
  }
  std::set<std::string> all;
  for (const auto& device : summary.devices) all.insert(device.header.idstr);
  return Error{Errc::Usage,
               fmt::format("there is no device '{}'", escape(wanted)),
               {},
               {},
               all.empty() ? "the stream has no device sections"
                           : nearest_of(wanted, "the stream has", all)};
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

constexpr std::string_view kProcessor = "cpu";

FoundField find_by_path(const DecodedDevice& device, const std::string& path) {
  if (auto found = vmstream::find_field(device.state, path)) return found;
  if (device.section->header.idstr != kProcessor) return {};
  auto of_register = vmstream::register_path(device.state, path);
  return of_register ? vmstream::find_field(device.state, *of_register) : FoundField{};
}

// The names beside the one that leads nowhere: those within the last part of the path that exists.
std::vector<std::string> names_near(const DecodedDevice& device, std::string_view path) {
  std::vector<std::string> names;
  for (size_t dot = path.rfind('.'); dot != std::string_view::npos && names.empty();
       dot = dot == 0 ? std::string_view::npos : path.rfind('.', dot - 1)) {
    auto found = vmstream::find_field(device.state, path.substr(0, dot));
    if (!found.field) continue;
    for (const auto& field : found.field->fields) {
      names.push_back(fmt::format("{}.{}", path.substr(0, dot), field.name));
    }
  }
  if (!names.empty()) return names;
  for (const auto& field : device.state.fields) names.emplace_back(field.name);
  for (const auto& subsection : device.state.subsections) names.emplace_back(subsection.name);
  if (device.section->header.idstr == kProcessor) {
    std::ranges::move(vmstream::register_names(device.state), std::back_inserter(names));
  }
  return names;
}

Error no_field(const DecodedDevice& device, const std::string& path) {
  bool is_described = device.source != vmstream::DescriptionSource::None;
  return Error{Errc::Usage,
               fmt::format("device '{}' has no field '{}'", escape(device.section->header.idstr),
                           escape(path)),
               {},
               {},
               is_described ? nearest_of(path, "it has", names_near(device, path))
                            : "the stream does not describe this device; --schema FILE takes the "
                              "description of another stream, or of QEMU's -dump-vmstate"};
}

// Leaves of each device what the path leads to; devices without it go.
vmstream::Status narrow(std::vector<DecodedDevice>& devices, const std::string& path) {
  auto has_it = [&](const DecodedDevice& device) { return bool{find_by_path(device, path)}; };
  if (std::ranges::none_of(devices, has_it)) return no_field(devices.front(), path);
  std::erase_if(devices, [&](DecodedDevice& device) {
    auto found = find_by_path(device, path);
    device.state.fields.clear();
    device.state.subsections.clear();
    if (found.field) device.state.fields.push_back(std::move(*found.field));
    if (found.subsection) device.state.subsections.push_back(std::move(*found.subsection));
    return !found;
  });
  return vmstream::ok();
}

void print_device_json(const Subject& subject, const std::vector<DecodedDevice>& devices,
                       const vmstream::ProblemLog& problems) {
  auto json = opening_json("vmstream.device/2", subject);
  json["idstr"] = escape(devices.front().section->header.idstr);
  json["instances"] = ordered_json::array();
  for (const auto& device : devices) json["instances"].push_back(device_json(device));
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

// What is asked for: an idstr, and the path within it.
struct DeviceQuestion {
  std::string idstr;
  std::optional<std::string> path;
};

bool is_register(const vmstream::DeviceCollector& collector, const std::string& name) {
  auto of_processor = [](const auto& section) { return section.header.idstr == kProcessor; };
  auto found = std::ranges::find_if(collector.sections(), of_processor);
  return found != collector.sections().end() &&
         vmstream::register_path(collector.decode(*found).state, name).has_value();
}

// A register's name may stand without the processor's. It goes before what merely holds it.
Result<DeviceQuestion> read_question(const InspectOptions& options, const DeviceReading& read) {
  const std::string& wanted = options.arguments[0];
  bool has_path = options.arguments.size() > 1;
  if (!has_path && !find_fitting(read.summary, wanted).has_ends() &&
      is_register(*read.collector, wanted)) {
    return DeviceQuestion{std::string(kProcessor), wanted};
  }
  auto idstr = find_idstr(read.summary, wanted);
  if (!idstr) return idstr.error();
  return DeviceQuestion{*idstr, has_path ? std::optional(options.arguments[1]) : std::nullopt};
}

}  // namespace

ExitStatus answer_device(Session& session, const InspectOptions& options) {
  const std::string& wanted = options.arguments.front();
  auto schema = read_schema(session, options);
  if (!schema) return session.fail(*options.schema, schema.error());
  auto read = read_devices(session, options, *schema, [&](const vmstream::SectionHeader& header) {
    return header.idstr == kProcessor || header.idstr.find(wanted) != std::string::npos;
  });
  if (!read) return session.fail(shown_name(options), read.error());
  const auto& [reading, collector, summary] = *read;

  auto question = read_question(options, *read);
  if (!question && reading.scan.fault) {  // it may stand behind the fault
    session.fail(shown_name(options), question.error());
    return judge(session, options, reading.scan, summary.problems);
  }
  if (!question) return session.fail(shown_name(options), question.error());
  auto devices = decode_instances(*collector, question->idstr, options.instance);
  if (devices.empty()) {
    auto error = no_instance(summary, question->idstr, options.instance.value_or(0));
    return session.fail(shown_name(options), error);
  }
  auto problems = summary.problems;
  for (const auto& device : devices) {
    for (const auto& problem : device.state.problems) problems.add(problem);
  }
  if (question->path) {
    auto narrowed = narrow(devices, *question->path);
    if (!narrowed) return session.fail(shown_name(options), narrowed.error());
  }
  if (options.common.json) {
    print_device_json(reading.subject, devices, problems);
  } else {
    print_device_text(devices, question->path.has_value());
  }
  return judge(session, options, reading.scan, problems);
}

}  // namespace vminspect
