// SPDX-License-Identifier: MIT
#include "guest/disks/drive_argument.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <fstream>

#include <vmstream/command.h>
#include <vmstream/saved_disk.h>
#include "guest/monitor/query.h"
#include "io/peer_user.h"
#include "state/medium_options.h"

namespace vmstream {
namespace {

// What a person has to fill in.
constexpr const char* kUnknown = "...";
constexpr std::string_view kOurNodes = "vmstream-";
constexpr std::string_view kNamedDevices = "/machine/peripheral/";
constexpr std::string_view kUnnamedDevices = "/machine/peripheral-anon/";
constexpr std::string_view kVirtio = "/virtio-backend";
constexpr size_t kMostLinks = 1000;  // of a chain of nodes

// Of -drive, what places the disk in its guest.
constexpr std::array<std::string_view, 6> kPlacing = {"if", "index", "bus", "unit", "id", "media"};

// What tells how it is used there: nothing of what it is on, which is another file now, and nothing
// that nobody has looked at, for it may be a secret. Limits of speed come under many names:
// "bps_rd", "iops_max", "throttling.bps-total".
constexpr std::array<std::string_view, 8> kUse = {
    "cache", "aio", "discard", "detect-zeroes", "werror", "rerror", "copy-on-read", "group"};
constexpr std::array<std::string_view, 4> kUseBegins = {"cache.", "bps", "iops", "throttling."};

// The options of an argument, as they stand: two commas are one within a value.
std::vector<std::string> split_options(const std::string& value) {
  std::vector<std::string> options(1);
  for (size_t i = 0; i < value.size(); ++i) {
    if (value[i] != ',') {
      options.back() += value[i];
    } else if (i + 1 < value.size() && value[i + 1] == ',') {
      options.back() += ",,";
      ++i;
    } else {
      options.emplace_back();
    }
  }
  return options;
}

std::string_view key_of(std::string_view option) {
  return option.substr(0, option.find('='));
}

bool is_placing(const std::string& option) {
  return std::ranges::find(kPlacing, key_of(option)) != kPlacing.end();
}

bool is_use(const std::string& option) {
  std::string_view key = key_of(option);
  return std::ranges::find(kUse, key) != kUse.end() ||
         std::ranges::any_of(kUseBegins, [key](auto begin) { return key.starts_with(begin); });
}

bool has_word(const std::vector<std::string>& words, std::string_view name) {
  return std::any_of(words.begin(), words.end(), [name](std::string_view word) {
    return word == name || (word.starts_with('-') && word.substr(1) == name);
  });
}

// Whether drives are described elsewhere too.
bool is_whole(const std::vector<std::string>& words) {
  return !has_word(words, "-readconfig") && !has_word(words, "-set");
}

// The options of each -drive; none where drives may be described elsewhere.
std::vector<std::vector<std::string>> drives_on(const CommandLine& line) {
  std::vector<std::vector<std::string>> drives;
  if (!line || !is_whole(*line)) return drives;
  for (size_t i = 0; i + 1 < line->size(); ++i) {
    bool is_drive = (*line)[i] == "-drive" || (*line)[i] == "--drive";
    if (is_drive) drives.push_back(split_options((*line)[i + 1]));
  }
  return drives;
}

std::optional<std::string> place_by_command_line(const std::string& id, const CommandLine& line) {
  for (auto& options : drives_on(line)) {
    if (std::ranges::find(options, "id=" + escape_option(id)) == options.end()) continue;
    std::erase_if(options,
                  [](const auto& option) { return !is_placing(option) && !is_use(option); });
    return fmt::format("{}", fmt::join(options, ","));
  }
  return std::nullopt;
}

// Of a drive that has no id, its use by the file that it is on. A drive that is on an overlay by
// now cannot be told from others: if one of those is used in a way of its own, that is unknown.
std::string use_by_file(const std::string& file, const CommandLine& line) {
  std::vector<std::string> uses;  // of this file
  bool others_say = false;
  for (auto& options : drives_on(line)) {
    bool is_named = std::ranges::any_of(options, [](auto& one) { return key_of(one) == "id"; });
    if (is_named) continue;
    bool is_this = std::ranges::find(options, "file=" + escape_option(file)) != options.end();
    std::erase_if(options, [](const std::string& option) { return !is_use(option); });
    if (is_this) uses.push_back(options.empty() ? "" : fmt::format(",{}", fmt::join(options, ",")));
    others_say |= !options.empty();
  }
  if (uses.size() == 1) return uses[0];
  return others_say ? std::string(",") + kUnknown : "";
}

bool is_number(std::string_view text) {
  return !text.empty() && text.size() < 6 &&
         std::all_of(text.begin(), text.end(), [](unsigned char c) { return std::isdigit(c); });
}

// A drive without an id is called "ide1-hd0" by bus and unit, or "virtio0" by its index.
std::optional<std::string> place_by_name(std::string_view name) {
  for (std::string_view kind :
       {"ide", "scsi", "floppy", "pflash", "mtd", "sd", "virtio", "xen", "none"}) {
    if (!name.starts_with(kind)) continue;
    std::string_view rest = name.substr(kind.size());
    if (is_number(rest)) return fmt::format("if={},index={}", kind, rest);
    for (std::string_view medium : {"-hd", "-cd"}) {
      size_t at = rest.find(medium);
      if (at == std::string_view::npos) continue;
      std::string_view bus = rest.substr(0, at);
      std::string_view unit = rest.substr(at + medium.size());
      if (!is_number(bus) || !is_number(unit)) continue;
      return fmt::format("if={},bus={},unit={}{}", kind, bus, unit,
                         medium == "-cd" ? ",media=cdrom" : "");
    }
  }
  return std::nullopt;
}

// Options within options, in the notation of -blockdev: "file.driver=file".
void flatten(const std::string& prefix, const Json& value, std::string& text) {
  if (value.is_structured()) {
    for (const auto& item : value.items()) {
      flatten(prefix.empty() ? item.key() : prefix + "." + item.key(), item.value(), text);
    }
    return;
  }
  std::string word = value.is_string() ? value.get<std::string>() : to_text(value);
  if (value.is_boolean()) word = value.get<bool>() ? "on" : "off";
  if (!value.is_null()) text += fmt::format(",{}={}", prefix, escape_option(word));
}

// The driver by which QEMU opens the file itself: its node has the same name as the one above it.
Result<std::string> protocol_of(QmpClient& qmp, const GuestDrive& drive) {
  auto nodes = ask(qmp, "query-named-block-nodes");
  if (!nodes) return nodes.error();
  if (!nodes->is_array()) return std::string(kUnknown);
  auto found = std::find_if(nodes->begin(), nodes->end(), [&](const Json& node) {
    return text_member(node, "file") == drive.file &&
           text_member(node, "node-name") != drive.node && text_member(node, "drv") != drive.format;
  });
  return found == nodes->end() ? std::string(kUnknown) : text_member(*found, "drv");
}

// What the node stands on.
Result<std::string> layers_below(QmpClient& qmp, const GuestDrive& drive) {
  if (auto options = medium_options(drive.file)) {
    options->erase("driver");
    std::string text;
    flatten("", *options, text);
    return text;
  }
  if (!drive.file.starts_with('/')) return std::string(",") + kUnknown;
  auto protocol = protocol_of(qmp, drive);
  if (!protocol) return protocol.error();
  return fmt::format(",file.driver={},file.filename={}", *protocol, escape_option(drive.file));
}

Result<std::string> node_name(QmpClient& qmp, const std::string& node) {
  if (!node.starts_with(kOurNodes)) return node;
  auto graph = ask(qmp, "x-debug-query-block-graph");
  // It is not a command to rely on.
  return graph ? original_node(node, *graph) : std::string(kUnknown);
}

}  // namespace

CommandLine read_command_line(int monitor) {
  auto process = get_unix_peer_process(monitor);
  if (!process || *process <= 0) return std::nullopt;
  std::ifstream in(fmt::format("/proc/{}/cmdline", *process), std::ios::binary);
  std::vector<std::string> words;
  for (std::string word; std::getline(in, word, '\0');) words.push_back(std::move(word));
  if (words.empty()) return std::nullopt;
  return words;
}

std::string drive_place(const GuestDrive& drive, const CommandLine& command_line) {
  if (auto place = place_by_command_line(drive.name, command_line)) return *place;
  // What QEMU makes of if=virtio and the like has no id; only virtio's devices look like others'.
  std::string by_id = "if=none,id=" + escape_option(drive.name);
  if (drive.qdev.starts_with(kNamedDevices)) return by_id;
  bool is_virtio = drive.qdev.ends_with(kVirtio);
  if (drive.qdev.starts_with(kUnnamedDevices) && !is_virtio) return by_id;
  if (auto place = place_by_name(drive.name)) return *place + use_by_file(drive.file, command_line);
  if (drive.qdev.empty()) return by_id;
  return fmt::format("id={},{}", escape_option(drive.name), kUnknown);
}

std::string original_node(const std::string& node, const Json& graph) {
  const Json* nodes = find_member(graph, "nodes");
  const Json* edges = find_member(graph, "edges");
  if (!nodes || !edges || !nodes->is_array() || !edges->is_array()) return kUnknown;
  std::string name = node;
  for (size_t link = 0; name.starts_with(kOurNodes) && link < kMostLinks; ++link) {
    auto here = std::find_if(nodes->begin(), nodes->end(),
                             [&](const Json& one) { return text_member(one, "name") == name; });
    if (here == nodes->end()) return kUnknown;
    auto id = number_member(*here, "id");
    auto down = std::find_if(edges->begin(), edges->end(), [&](const Json& edge) {
      return text_member(edge, "name") == "backing" && number_member(edge, "parent") == id;
    });
    if (!id || down == edges->end()) return kUnknown;
    auto below = number_member(*down, "child");
    auto next = std::find_if(nodes->begin(), nodes->end(), [&](const Json& one) {
      return below && number_member(one, "id") == below;
    });
    if (next == nodes->end()) return kUnknown;
    name = text_member(*next, "name");
  }
  // QEMU's own names begin with "#": nobody can have given one to a device.
  bool is_known = !name.empty() && !name.starts_with('#') && !name.starts_with(kOurNodes);
  return is_known ? name : kUnknown;
}

Result<std::string> drive_argument(QmpClient& qmp, const GuestDrive& drive,
                                   const CommandLine& command_line) {
  if (!drive.name.empty()) {
    return fmt::format("-drive file={},format={},{}", escape_option(drive.file), drive.format,
                       drive_place(drive, command_line));
  }
  auto node = node_name(qmp, drive.node);
  if (!node) return node.error();
  auto below = layers_below(qmp, drive);
  if (!below) return below.error();
  return fmt::format("-blockdev driver={},node-name={}{}", drive.format, escape_option(*node),
                     *below);
}

}  // namespace vmstream
