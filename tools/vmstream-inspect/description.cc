// SPDX-License-Identifier: MIT
#include "vmstream-inspect/description.h"

#include <nlohmann/json.hpp>

#include <vmstream/text.h>
#include "common/output.h"
#include "vmstream-inspect/answer.h"
#include "vmstream-inspect/device_answer.h"
#include "vmstream-inspect/pretty_json.h"

namespace vmtools {

using nlohmann::ordered_json;
using vmstream::Errc;
using vmstream::Error;
using vmstream::escape;
using vmstream::Result;

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

Error no_description() {
  return Error{Errc::Unsupported, "the stream carries no description (vmdesc)"};
}

Result<Reading> read_description(Session& session, const InspectOptions& options,
                                 std::optional<DescriptionKeeper>& keeper) {
  auto start = [&]() -> vmstream::StreamVisitor& { return keeper.emplace(); };
  auto is_sound = [&](const vmstream::ScanResult&) { return keeper->problems.damage() == 0; };
  return read_subject(session, options, start, is_sound);
}

}  // namespace

Result<std::optional<vmstream::DeviceSchema>> read_schema(Session& session,
                                                          const InspectOptions& options) {
  if (!options.schema) return std::optional<vmstream::DeviceSchema>();
  InspectOptions other = options;
  other.file = *options.schema;
  std::optional<DescriptionKeeper> keeper;
  auto reading = read_description(session, other, keeper);
  if (!reading) return reading.error();
  if (!keeper->text) return reading->scan.fault ? *reading->scan.fault : no_description();
  auto vmdesc = vmstream::Vmdesc::parse(*keeper->text);
  if (!vmdesc) return vmdesc.error();
  return std::optional(vmstream::DeviceSchema{std::move(*vmdesc), keeper->machine});
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

}  // namespace vmtools
