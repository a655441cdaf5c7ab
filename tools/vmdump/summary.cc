// SPDX-License-Identifier: MIT
#include "vmdump/summary.h"

#include <fmt/format.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include <vmstream/text.h>
#include "common/around_file.h"
#include "common/json_text.h"

namespace vmdump {
namespace {

using nlohmann::ordered_json;
using vmstream::CaptureMode;
using vmstream::CapturePass;
using vmstream::CaptureSummary;
using vmtools::or_null;
using vmtools::rounded;

std::string pause_text(double seconds) {
  return seconds < 0.1 ? fmt::format("{:.1f} ms", 1e3 * seconds) : fmt::format("{:.2f} s", seconds);
}

ordered_json passes_json(const CaptureSummary& summary) {
  auto passes = ordered_json::array();
  for (const CapturePass& pass : summary.passes) {
    passes.push_back({{"pages", pass.pages},
                      {"bytes", pass.bytes},
                      {"seconds", rounded(pass.seconds)},
                      {"dirtied_pages", pass.dirtied},
                      {"pages_left", pass.left}});
  }
  return passes;
}

ordered_json shortfall_json(const CaptureSummary& summary) {
  if (!summary.shortfall) return nullptr;
  return {{"dirty_pages_per_second", std::llround(summary.shortfall->dirty_pages_per_second)},
          {"sent_pages_per_second", std::llround(summary.shortfall->sent_pages_per_second)},
          {"pause_seconds", rounded(summary.shortfall->pause_seconds)}};
}

// The name that the file has, or will be given.
std::string state_file_name(const Options& options) {
  return options.output.value_or("-") == "-" ? "FILE" : *options.output;
}

std::string go_back(const Options& options, const CaptureSummary& summary) {
  return vmstream::command_to_go_back(summary.disks, state_file_name(options));
}

ordered_json not_saved_json(const CaptureSummary& summary) {
  auto list = ordered_json::array();
  for (const std::string& device : summary.disks_not_saved) {
    list.push_back(vmstream::escape(device));
  }
  return list;
}

ordered_json left_out_json(const CaptureSummary& summary) {
  auto list = ordered_json::array();
  for (const auto& disk : summary.left_out_disks) {
    list.push_back({{"device", vmstream::escape(disk.device)}, {"reason", disk.reason}});
  }
  return list;
}

std::string_view coding_name(const Options& options) {
  return options.filter ? "filter" : vmstream::traits_of(chosen_compression(options).coding).name;
}

// "guest.zst: 1.50 GiB of RAM in 412 MiB (27%), 3.1 s, guest paused 2.9 s".
std::string summary_line(const Options& options, const CaptureSummary& summary,
                         const FileFacts& file) {
  std::string name = vmstream::escape(options.exec ? "command" : output_name(options));
  const auto& counts = summary.counts;
  auto line = fmt::format("{}: {} of RAM in {}", name, vmstream::format_size(counts.guest_bytes),
                          vmstream::format_size(file.disk_bytes));
  if (counts.guest_bytes > 0) {
    line += fmt::format(" ({:.1f}%)", 100 * static_cast<double>(file.disk_bytes) /
                                          static_cast<double>(counts.guest_bytes));
  }
  line += fmt::format(", {:.2f} s", summary.total_seconds);
  if (!options.has_guest()) return line;
  if (summary.mode != CaptureMode::Stop) line += fmt::format(", {}", name_of(summary.mode));
  line += fmt::format(", guest paused {}", pause_text(summary.pause_seconds));
  if (summary.mode == CaptureMode::Live) {
    size_t passes = summary.passes.size();
    line += fmt::format(" after {} {} ({})", passes, passes == 1 ? "pass" : "passes",
                        name_of(summary.ended_by));
  }
  return line;
}

std::string mode_line(const CaptureSummary& summary) {
  return fmt::format("{} because {}", name_of(summary.mode), summary.mode_reason);
}

ordered_json opening_json(const char* schema, const Options& options,
                          const CaptureSummary& summary) {
  ordered_json json;
  json["schema"] = schema;
  if (options.from) json["from"] = vmstream::escape(*options.from);
  json["file"] = options.output ? ordered_json(*options.output) : ordered_json(nullptr);
  json["mode"] = options.has_guest() ? ordered_json(name_of(summary.mode)) : ordered_json(nullptr);
  json["mode_reason"] = or_null(summary.mode_reason);
  json["container"] = name_of(options.is_mapped() ? vmstream::FileForm::MappedRam : options.form);
  json["coding"] = coding_name(options);
  json["encrypted"] = options.is_encrypted();
  json["signed"] = options.signer.has_value();
  return json;
}

// By how much a live save missed converging.
std::string shortfall_line(const vmstream::Shortfall& missed) {
  return fmt::format(
      "it did not converge: the guest dirtied {:.0f} pages a second, {:.0f} were sent; the rest "
      "needed a pause of about {}",
      missed.dirty_pages_per_second, missed.sent_pages_per_second,
      pause_text(missed.pause_seconds));
}

// What belongs together, and the command to go back. Empty without --disk-snapshot.
std::vector<std::string> disk_lines(const Options& options, const CaptureSummary& summary) {
  std::vector<std::string> lines;
  for (const auto& disk : summary.disks) {
    lines.push_back(
        fmt::format("disk {}, {}", vmtools::disk_text(disk), vmtools::overlay_text(disk)));
  }
  for (const auto& disk : summary.left_out_disks) {
    lines.push_back(
        fmt::format("disk {}: left out, {}", vmstream::escape(disk.device), disk.reason));
  }
  if (!summary.disks.empty()) {
    lines.push_back("to go back, once this QEMU has ended: " +
                    vmstream::escape(go_back(options, summary)));
    if (!vmstream::is_known_how_to_go_back(summary.disks)) {
      lines.push_back("\"...\" in a disk's own argument: QEMU does not tell how the guest had it");
    }
  }
  return lines;
}

void add_disks(ordered_json& json, const Options& options, const CaptureSummary& summary) {
  if (options.disk_folder) {
    json["disks"] = vmtools::disks_json(summary.disks);
    json["disks_left_out"] = left_out_json(summary);
    json["go_back"] = summary.disks.empty() ? nullptr : ordered_json(go_back(options, summary));
  } else if (options.has_guest()) {
    json["disks_not_saved"] = not_saved_json(summary);
  }
}

}  // namespace

std::vector<std::string> summary_lines(const Options& options, const CaptureSummary& summary,
                                       const FileFacts& file) {
  std::vector<std::string> lines{summary_line(options, summary, file)};
  if (!summary.mode_reason.empty()) lines.push_back(mode_line(summary));
  if (summary.shortfall) lines.push_back(shortfall_line(*summary.shortfall));
  for (std::string& line : disk_lines(options, summary)) lines.push_back(std::move(line));
  return lines;
}

std::vector<std::string> rehearsal_lines(const Options& options, const CaptureSummary& summary) {
  std::string name = vmstream::escape(options.exec ? "command" : output_name(options));
  if (options.from) {
    return {
        fmt::format("{}: nothing was written; {} is whole", name, vmstream::escape(*options.from))};
  }
  std::vector<std::string> lines{
      fmt::format("{}: nothing was saved; a save by mode {} of this guest of QEMU {} can begin",
                  name, name_of(summary.mode), summary.qemu_version)};
  if (!summary.mode_reason.empty()) lines.push_back(mode_line(summary));
  return lines;
}

ordered_json rehearsal_json(const Options& options, const CaptureSummary& summary) {
  ordered_json json = opening_json("vmstream.dry-run/1", options, summary);
  json["qemu_version"] = or_null(summary.qemu_version);
  add_disks(json, options, summary);
  return json;
}

ordered_json summary_json(const Options& options, const CaptureSummary& summary,
                          const FileFacts& file) {
  const auto& counts = summary.counts;
  ordered_json json = opening_json("vmstream.dump/1", options, summary);
  json["machine"] = or_null(summary.machine);
  json["qemu_version"] = or_null(summary.qemu_version);
  json["guest_bytes"] = counts.guest_bytes;
  json["stream_bytes"] = counts.stream_bytes;
  json["compact"] = options.compact;
  json["mapped_ram"] = options.mapped_ram;
  json["file_bytes"] = file.bytes;
  json["disk_bytes"] = file.disk_bytes;
  json["pages"] = counts.pages;
  json["zero_pages"] = counts.zero_pages;
  json["device_sections"] = counts.device_sections;
  json["passes"] = passes_json(summary);
  // QEMU stamps its events by the microsecond, and a background save pauses for few of a thousand.
  json["pause_seconds"] = options.has_guest()
                              ? ordered_json(rounded(summary.pause_seconds, vmtools::kMicroseconds))
                              : ordered_json(nullptr);
  json["total_seconds"] = rounded(summary.total_seconds);
  json["ended_by"] =
      options.has_guest() ? ordered_json(name_of(summary.ended_by)) : ordered_json(nullptr);
  json["shortfall"] = shortfall_json(summary);
  add_disks(json, options, summary);
  json["sha256"] = or_null(summary.sha256);
  json["file_sha256"] = or_null(file.sha256);
  return json;
}

}  // namespace vmdump
