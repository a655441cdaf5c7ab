// SPDX-License-Identifier: MIT
#include "vmstream-inspect/commands/commands.h"

#include <fmt/format.h>
#include <unistd.h>

#include <nlohmann/json.hpp>

#include <vmstream/partial_reading.h>
#include <vmstream/ram_usage.h>
#include <vmstream/text.h>
#include "common/output.h"
#include "vmstream-inspect/commands/answer.h"
#include "vmstream-inspect/print/printer.h"
#include "vmstream-inspect/print/text_table.h"

namespace vminspect {

using vmtools::ExitStatus;
using vmtools::print;
using vmtools::print_json;
using vmtools::Session;

namespace {

using nlohmann::ordered_json;
using vmstream::escape;
using vmstream::PageCounts;

// The cells as one letter each, as in text.
std::string letters_of(const std::vector<vmstream::RamCell>& map) {
  std::string letters;
  for (auto cell : map) letters += name_of(cell).front();
  return letters;
}

ordered_json block_json(const vmstream::RamBlockUsage& block, bool with_map) {
  ordered_json json{
      {"name", escape(block.name)}, {"size", block.size}, {"pages", block.pages.total()}};
  for (auto kind : PageCounts::kKinds) {
    json[fmt::format("{}_pages", name_of(kind))] = block.pages[kind];
  }
  json["absent_pages"] = block.absent_pages;
  json["resent_pages"] = block.resent_pages;
  json["block_pages"] = block.block_pages;
  if (with_map) {
    json["map"] = {{"pages_per_cell", block.pages_per_cell}, {"cells", letters_of(block.map)}};
  }
  return json;
}

void print_usage_json(const InspectOptions& options, const Subject& subject,
                      const vmstream::RamUsage& usage, const vmstream::ScanResult& scan) {
  auto json = opening_json("vmstream.ram/1", subject);
  json["complete"] = scan.complete();
  json["page_size"] = usage.page_size;
  json["blocks"] = ordered_json::array();
  for (const auto& block : usage.blocks) json["blocks"].push_back(block_json(block, options.map));
  json["passes"] = ordered_json::array();
  for (const auto& pass : usage.passes) {
    json["passes"].push_back({{"pages", pass.pages}, {"bytes", pass.bytes}});
  }
  json["resends"] = usage.resends;
  json["mapped_ram"] = usage.mapped;
  json["postcopy"] = usage.postcopy;
  json["table_bytes"] = usage.table_bytes;
  json["problems"] = problems_json(usage.problems);
  json["problem_count"] = usage.problems.total();
  print_json(json);
}

std::string passes_note(const vmstream::RamUsage& usage) {
  if (usage.mapped) return "mapped-ram: each page once, at its last";
  if (usage.postcopy) return "the last one after the switch to postcopy";
  return "from the order of the pages";
}

void print_usage_text(const InspectOptions& options, const Subject& subject,
                      const vmstream::RamUsage& usage, const vmstream::ScanResult& scan) {
  if (subject.source == AnswerSource::Index) print("by the file's index (see --full-scan)\n");
  if (!options.passes && !options.resends && !options.map) {
    print(fmt::format("page records by kind; pages of {} bytes never sent, and sent again\n",
                      usage.page_size));
    print(render_blocks(usage));
  }
  if (options.passes) {
    size_t passes = usage.passes.size();
    print(fmt::format("{} {} ({})\n", passes, passes == 1 ? "pass" : "passes", passes_note(usage)));
    print(render_passes(usage));
  }
  if (options.resends) {
    print("pages by how often they were sent\n");
    print(render_resends(usage));
  }
  if (options.map) print(render_maps(usage));
  if (!scan.complete()) print("the stream is INCOMPLETE: these are the pages before its fault\n");
  for (const auto& problem : usage.problems.kept()) {
    print(fmt::format("problem at offset {:#x}: {}\n", problem.offset, problem.message));
  }
}

void print_usage(const InspectOptions& options, const Subject& subject,
                 const vmstream::RamUsage& usage, const vmstream::ScanResult& scan) {
  if (options.common.json) return print_usage_json(options, subject, usage, scan);
  print_usage_text(options, subject, usage, scan);
}

}  // namespace

bool show_indexed_ram(Session& session, const InspectOptions& options, vmstream::StateFile& file) {
  auto index = read_index(session, options, file, IndexTables::Pages);
  if (!index) return false;
  auto usage = vmstream::usage_from(*index);
  if (!usage || !vmstream::confirm_pages(*index, by_position(file))) return false;
  const auto& facts = index->facts;
  vmstream::ScanResult scan{.plain_bytes = facts.plain_bytes,
                            .parsed_bytes = facts.stream_bytes,
                            .stream_bytes = facts.stream_bytes};
  Subject subject{options.file, file.containers()};
  subject.source = AnswerSource::Index;
  print_usage(options, subject, *usage, scan);
  return true;
}

ExitStatus show_ram(Session& session, const InspectOptions& options, vmstream::StateFile& file,
                    vmstream::ByteSource& stream) {
  vmstream::RamUsageCollector collector;
  auto scan = scan_subject(session, options, file, stream, collector, "read",
                           vmstream::MappedPages::Places);
  if (scan.fault && !vmstream::is_stream_fault(*scan.fault)) {
    return session.fail(shown_name(options), *scan.fault);
  }
  auto usage = collector.finish();
  if (scan.fault) usage.problems.add(*scan.fault, scan.plain_bytes);
  print_usage(options, {options.file, file.containers()}, usage, scan);
  return judge(session, options, scan, usage.problems);
}

}  // namespace vminspect
