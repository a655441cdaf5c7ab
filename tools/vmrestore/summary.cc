// SPDX-License-Identifier: MIT
#include "vmrestore/summary.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include <vmstream/text.h>
#include "common/containers.h"
#include "common/json_values.h"

namespace vmrestore {

using nlohmann::ordered_json;
using vmstream::LazyCounts;
using vmstream::LazySummary;
using vmstream::RestoreSummary;
using vmtools::kMicroseconds;
using vmtools::or_null;
using vmtools::rounded;

std::string summary_line(const Options& options, const RestoreSummary& summary) {
  std::string name = vmstream::escape(options.exec ? "command" : input_name(options));
  auto line = fmt::format("{}: {} of RAM restored, {:.2f} s", name,
                          vmstream::format_size(summary.counts.guest_bytes), summary.total_seconds);
  if (!summary.run_state.empty()) {
    line += fmt::format(", guest is {}", vmstream::escape(summary.run_state));
  }
  return line;
}

ordered_json summary_json(const Options& options,
                          const std::vector<vmstream::Container>& containers,
                          const RestoreSummary& summary, bool clock_set) {
  const auto& counts = summary.counts;
  ordered_json json;
  json["schema"] = "vmstream.restore/1";
  json["file"] = or_null(options.file);
  json["containers"] = vmtools::containers_json(containers);
  json["output"] = or_null(options.output);
  json["machine"] = or_null(summary.machine);
  json["uuid"] = summary.uuid ? or_null(vmstream::uuid_text(*summary.uuid)) : nullptr;
  json["guest_bytes"] = counts.guest_bytes;
  json["stream_bytes"] = counts.stream_bytes;
  json["pages"] = counts.pages;
  json["zero_pages"] = counts.zero_pages;
  json["device_sections"] = counts.device_sections;
  json["run_state"] = or_null(summary.run_state);
  if (options.set_clock) json["clock_set"] = clock_set;
  json["rebuilt"] = summary.rebuilt;
  json["without_description"] = summary.without_description;
  json["total_seconds"] = rounded(summary.total_seconds);
  return json;
}

std::string lazy_summary_line(const Options& options, const LazySummary& summary) {
  const LazyCounts& counts = summary.counts;
  return fmt::format(
      "{}: {} sent, {} pages of them asked for (median {:.2f} ms, worst {:.1f} ms), {:.2f} s, "
      "guest is {}; the file is no longer needed",
      vmstream::escape(input_name(options)), vmstream::format_size(counts.sent_bytes),
      counts.served_pages, 1e3 * counts.median_service_seconds, 1e3 * counts.worst_service_seconds,
      summary.total_seconds, vmstream::escape(summary.run_state));
}

ordered_json lazy_summary_json(const Options& options, const vmstream::LazyFile& file,
                               const LazySummary& summary, bool clock_set) {
  const LazyCounts& counts = summary.counts;
  const auto& facts = file.index().facts;
  ordered_json json;
  json["schema"] = "vmstream.restore/1";
  json["file"] = or_null(options.file);
  json["containers"] = vmtools::containers_json(file.containers());
  json["machine"] = or_null(facts.machine);
  json["guest_bytes"] = facts.ram_bytes;
  json["run_state"] = or_null(summary.run_state);
  if (options.set_clock) json["clock_set"] = clock_set;
  json["total_seconds"] = rounded(summary.total_seconds);
  json["lazy"] = {{"loaded_seconds", rounded(summary.loaded_seconds, kMicroseconds)},
                  {"requests", counts.requests},
                  {"requests_already_sent", counts.requests_already_sent},
                  {"served_pages", counts.served_pages},
                  {"pushed_pages", counts.pushed_pages},
                  {"absent_pages", counts.absent_pages},
                  {"sent_bytes", counts.sent_bytes},
                  {"median_service_seconds", rounded(counts.median_service_seconds, kMicroseconds)},
                  {"p99_service_seconds", rounded(counts.p99_service_seconds, kMicroseconds)},
                  {"worst_service_seconds", rounded(counts.worst_service_seconds, kMicroseconds)}};
  return json;
}

}  // namespace vmrestore
