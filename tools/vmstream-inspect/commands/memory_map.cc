// SPDX-License-Identifier: MIT
// Where the guest's memory is in its address space.
#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include <vmstream/text.h>
#include "common/output.h"
#include "vmstream-inspect/commands/commands.h"
#include "vmstream-inspect/commands/saved_guest.h"
#include "vmstream-inspect/print/printer.h"
#include "vmstream-inspect/print/text_table.h"

namespace vminspect {

using nlohmann::ordered_json;
using vmstream::escape;
using vmstream::PhysicalMap;
using vmstream::PhysicalRange;
using vmtools::ExitStatus;
using vmtools::print;
using vmtools::print_json;
using vmtools::Session;

namespace {

ordered_json range_json(const PhysicalRange& range) {
  return {{"address", range.address},    {"length", range.length},
          {"kind", name_of(range.kind)}, {"block", escape(range.block)},
          {"offset", range.offset},      {"known_by", name_of(range.proof)}};
}

void print_map_json(const Subject& subject, const PhysicalMap& map) {
  auto json = opening_json("vmstream.memory-map/1", subject);
  json["proved"] = map.is_proved();
  json["ranges"] = ordered_json::array();
  for (const PhysicalRange& range : map.ranges()) json["ranges"].push_back(range_json(range));
  json["unplaced"] = ordered_json::array();
  for (const std::string& block : map.unplaced()) json["unplaced"].push_back(escape(block));
  json["notes"] = map.notes();
  print_json(json);
}

void print_map_text(const PhysicalMap& map) {
  TextTable table({"first address", "last address", "kind", "known by", "offset", "block"});
  for (const PhysicalRange& range : map.ranges()) {
    table.add({fmt::format("{:#x}", range.address), fmt::format("{:#x}", range.end() - 1),
               std::string(name_of(range.kind)), std::string(name_of(range.proof)),
               fmt::format("{:#x}", range.offset), escape(range.block)});
  }
  print(table.render());
  for (const std::string& block : map.unplaced()) {
    print(fmt::format("no address is known of block {}, see --place\n", escape(block)));
  }
  for (const std::string& note : map.notes()) print(fmt::format("note: {}\n", note));
  if (!map.is_proved()) {
    print("not proved: some of it is where machines of this type have it by default\n");
  }
}

}  // namespace

ExitStatus show_memory_map(Session& session, const InspectOptions& options) {
  auto guest = map_guest(session, options);
  if (!guest) return session.fail(shown_name(options), guest.error());
  const auto& reading = guest->devices.reading;
  if (options.common.json) {
    print_map_json(reading.subject, guest->map);
  } else {
    print_map_text(guest->map);
  }
  return judge(session, options, reading.scan, guest->devices.summary.problems);
}

}  // namespace vminspect
