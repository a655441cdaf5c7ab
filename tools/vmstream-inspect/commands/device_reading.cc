// SPDX-License-Identifier: MIT
#include "vmstream-inspect/commands/device_reading.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <filesystem>

#include <vmstream/byte_source.h>
#include <vmstream/text.h>
#include <vmstream/verification.h>
#include <vmstream/visitor.h>
#include <vmstream/vmdesc.h>
#include "common/output.h"
#include "vmstream-inspect/commands/answer.h"
#include "vmstream-inspect/commands/commands.h"
#include "vmstream-inspect/print/json_layout.h"

namespace vminspect {

using nlohmann::ordered_json;
using vmstream::DeviceCollector;
using vmstream::Errc;
using vmstream::Error;
using vmstream::escape;
using vmstream::Result;
using vmtools::ExitStatus;
using vmtools::print;
using vmtools::Session;

namespace {

// Keeps the text of the description.
class DescriptionKeeper final : public vmstream::StreamVisitor {
 public:
  vmstream::Status on_vmdesc(const vmstream::VmdescRecord& vmdesc) override {
    text = std::string(vmdesc.json);
    return vmstream::ok();
  }
  vmstream::Status on_configuration(const vmstream::Configuration& configuration) override {
    machine = configuration.machine;
    return vmstream::ok();
  }
  vmstream::Status on_problem(const vmstream::Problem& problem) override {
    problems.add(problem);
    return vmstream::ok();
  }

  std::optional<std::string> text;
  std::string machine;
  vmstream::ProblemLog problems;
};

}  // namespace

vmstream::Result<DeviceReading> read_devices(Session& session, const InspectOptions& options,
                                             const std::optional<vmstream::DeviceSchema>& schema,
                                             const DeviceCollector::Wanted& wanted) {
  std::unique_ptr<DeviceCollector> collector;
  std::optional<vmstream::Verifier> verifier;
  std::optional<DescriptionKeeper> keeper;
  std::optional<vmstream::VisitorList> all;
  vmstream::StreamSummary summary;
  auto start = [&]() -> vmstream::StreamVisitor& {
    collector = std::make_unique<DeviceCollector>(wanted);
    if (schema) collector->use_schema(*schema);
    all.emplace(std::initializer_list<vmstream::StreamVisitor*>{
        collector.get(), &verifier.emplace(), &keeper.emplace()});
    return *all;
  };
  auto is_sound = [&](const vmstream::ScanResult& scan) {
    summary = collector->finish(scan);
    return summary.problems.damage() == 0;
  };
  auto reading = read_subject(session, options, start, is_sound);
  if (!reading) return reading.error();
  if (reading->ram_read) summary = collector->finish(reading->scan);
  summary.ram_read = reading->ram_read;
  summary.load = verifier->finish(reading->scan).load;  // what verify says
  reading->description = std::move(keeper->text);
  return DeviceReading{std::move(*reading), std::move(collector), std::move(summary)};
}

namespace {

Error no_description() {
  return Error{Errc::Unsupported, "the stream carries no description (vmdesc)"};
}

Result<Reading> read_description(Session& session, const InspectOptions& options,
                                 std::optional<DescriptionKeeper>& keeper) {
  auto start = [&]() -> vmstream::StreamVisitor& { return keeper.emplace(); };
  auto is_sound = [&](const vmstream::ScanResult&) { return keeper->problems.damage() == 0; };
  return read_subject(session, options, start, is_sound);
}

// The text of a file that begins as a JSON object; nothing where it is something else. What is no
// regular file can be read only once, and is left alone.
Result<std::optional<std::string>> read_json_text(Session& session, const std::string& path) {
  constexpr size_t kMostBytes = 16u << 20;  // QEMU writes about one MiB
  std::error_code unknown;
  if (!std::filesystem::is_regular_file(path, unknown)) return std::optional<std::string>();
  auto file = vmstream::open_file_source(path, session.limits());
  if (!file) return file.error();
  std::string text;
  for (;;) {
    auto piece = (*file)->next();
    if (!piece) return piece.error();
    if (piece->empty()) return std::optional(std::move(text));
    text.append(reinterpret_cast<const char*>(piece->data()), piece->size());
    size_t start = text.find_first_not_of(" \t\r\n");
    if (start != std::string::npos && text[start] != '{') return std::optional<std::string>();
    if (text.size() > kMostBytes) {
      return Error{Errc::Unsupported, fmt::format("the JSON is longer than {} bytes", kMostBytes)};
    }
  }
}

Result<vmstream::DeviceSchema> parse_dump(const std::string& text) {
  auto dump = vmstream::VmstateDump::parse(text);
  if (!dump) return dump.error();
  std::string machine = dump->machine();
  return vmstream::DeviceSchema{std::move(*dump), std::move(machine)};
}

Result<vmstream::DeviceSchema> take_from_stream(Session& session, const InspectOptions& options) {
  std::optional<DescriptionKeeper> keeper;
  auto reading = read_description(session, options, keeper);
  if (!reading) return reading.error();
  if (!keeper->text) return reading->scan.fault ? *reading->scan.fault : no_description();
  auto vmdesc = vmstream::Vmdesc::parse(*keeper->text);
  if (!vmdesc) return vmdesc.error();
  return vmstream::DeviceSchema{std::move(*vmdesc), keeper->machine};
}

}  // namespace

Result<std::optional<vmstream::DeviceSchema>> read_schema(Session& session,
                                                          const InspectOptions& options) {
  if (!options.schema) return std::optional<vmstream::DeviceSchema>();
  auto json = read_json_text(session, *options.schema);
  if (!json) return json.error();
  InspectOptions other = options;
  other.file = *options.schema;
  other.multifd = false;
  auto schema = *json ? parse_dump(**json) : take_from_stream(session, other);
  if (!schema) return schema.error();
  return std::optional(std::move(*schema));
}

ExitStatus answer_vmdesc(Session& session, const InspectOptions& options) {
  std::optional<DescriptionKeeper> keeper;
  auto reading = read_description(session, options, keeper);
  if (!reading) return session.fail(shown_name(options), reading.error());
  if (!keeper->text) {
    if (reading->scan.fault) return judge(session, options, reading->scan, keeper->problems);
    return session.fail(shown_name(options), no_description());
  }
  if (ordered_json::accept(*keeper->text)) {
    print(pretty_json(*keeper->text));
  } else {
    print(escape(*keeper->text) + "\n");
  }
  return judge(session, options, reading->scan, keeper->problems);
}

}  // namespace vminspect
