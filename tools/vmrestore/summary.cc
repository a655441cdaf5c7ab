// SPDX-License-Identifier: MIT
#include "vmrestore/summary.h"

#include <fmt/format.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include <vmstream/text.h>
#include "common/containers.h"

namespace vmrestore {
namespace {

using nlohmann::ordered_json;
using vmstream::RestoreSummary;

ordered_json or_null(const std::string& text) {
  if (text.empty()) return nullptr;
  return text;
}

ordered_json or_null(const std::optional<std::string>& text) {
  return or_null(text.value_or(""));
}

}  // namespace

std::string summary_line(const Options& options, const RestoreSummary& summary) {
  std::string name = vmstream::escape(options.exec ? "command" : input_name(options));
  auto line = fmt::format("{}: {} of RAM restored, {:.2f} s", name,
                          vmstream::format_size(summary.counts.guest_bytes), summary.total_seconds);
  if (!summary.run_state.empty()) {
    line += fmt::format(", guest is {}", vmstream::escape(summary.run_state));
  }
  return line;
}

ordered_json summary_json(const Options& options, const vmstream::StateFile& state,
                          const RestoreSummary& summary) {
  const auto& counts = summary.counts;
  ordered_json json;
  json["schema"] = "vmstream.restore/1";
  json["file"] = or_null(options.file);
  json["containers"] = vmtools::containers_json(state.containers);
  json["output"] = or_null(options.output);
  json["machine"] = or_null(summary.machine);
  json["guest_bytes"] = counts.guest_bytes;
  json["stream_bytes"] = counts.stream_bytes;
  json["pages"] = counts.pages;
  json["zero_pages"] = counts.zero_pages;
  json["device_sections"] = counts.device_sections;
  json["run_state"] = or_null(summary.run_state);
  json["total_seconds"] = std::round(summary.total_seconds * 1000) / 1000;
  return json;
}

}  // namespace vmrestore
