// SPDX-License-Identifier: MIT
#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include <vmstream/cpu_registers.h>
#include "common/output.h"
#include "vmstream-inspect/commands/commands.h"
#include "vmstream-inspect/commands/device_reading.h"
#include "vmstream-inspect/commands/guest_addresses.h"
#include "vmstream-inspect/print/register_view.h"

namespace vminspect {

using nlohmann::ordered_json;
using vmstream::CpuRegisters;
using vmstream::Errc;
using vmstream::Error;
using vmtools::ExitStatus;
using vmtools::print;
using vmtools::print_json;
using vmtools::Session;

vmstream::Status keep_chosen(std::vector<CpuRegisters>& cpus, std::optional<uint64_t> chosen) {
  if (!chosen) return vmstream::ok();
  auto found = std::ranges::find(cpus, *chosen, &CpuRegisters::instance_id);
  if (found == cpus.end()) {
    return Error{Errc::Usage,
                 fmt::format("there is no cpu {}", *chosen),
                 {},
                 {},
                 fmt::format("the guest has {} of them, from {} to {}", cpus.size(),
                             cpus.front().instance_id, cpus.back().instance_id)};
  }
  cpus = {std::move(*found)};
  return vmstream::ok();
}

ExitStatus show_registers(Session& session, const InspectOptions& options) {
  auto schema = read_schema(session, options);
  if (!schema) return session.fail(*options.schema, schema.error());
  auto read = read_devices(session, options, *schema, vmstream::holds_registers);
  if (!read) return session.fail(shown_name(options), read.error());
  const auto& [reading, collector, summary] = *read;
  auto cpus = vmstream::read_cpu_registers(*collector);
  if (!cpus) {  // they may stand behind the fault
    return session.fail(shown_name(options),
                        reading.scan.fault ? *reading.scan.fault : cpus.error());
  }
  if (auto kept = keep_chosen(*cpus, options.cpu); !kept) {
    return session.fail(shown_name(options), kept.error());
  }
  if (options.common.json) {
    auto json = opening_json("vmstream.registers/1", reading.subject);
    json["cpus"] = ordered_json::array();
    for (const CpuRegisters& cpu : *cpus) json["cpus"].push_back(registers_json(cpu));
    json["problems"] = problems_json(summary.problems);
    print_json(json);
  } else {
    std::string_view gap;
    for (const CpuRegisters& cpu : *cpus) {
      print(fmt::format("{}{}", gap, registers_text(cpu)));
      gap = "\n";
    }
  }
  return judge(session, options, reading.scan, summary.problems);
}

}  // namespace vminspect
