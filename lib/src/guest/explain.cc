// SPDX-License-Identifier: MIT
// What a capture and a restore ask of QEMU, spelled out for a person.
#include <fmt/format.h>

#include <vmstream/capture.h>
#include <vmstream/command.h>
#include <vmstream/lazy_restore.h>
#include <vmstream/restore.h>
#include <vmstream/text.h>
#include "base/json.h"
#include "guest/capture/mapped_save.h"
#include "guest/migration_settings.h"
#include "guest/monitor/qmp_address.h"

namespace vmstream {
namespace {

constexpr uint64_t kDefaultBandwidth = 128u << 20;

std::string command(const char* name, const Json& arguments = {}) {
  if (arguments.is_null()) return fmt::format("{{\"execute\": \"{}\"}}\n", name);
  return fmt::format("{{\"execute\": \"{}\", \"arguments\": {}}}\n", name, to_text(arguments));
}

// How socat names the monitor.
std::string socat_address(const QmpAddress& address) {
  if (address.kind == QmpAddress::Kind::Unix) return "UNIX-CONNECT:" + escape(address.path);
  return "TCP:" + to_text(address).substr(std::string_view("tcp:").size());
}

bool passes_fds(const QmpAddress& address) {
  return address.kind == QmpAddress::Kind::Unix;
}

std::string shell_commands(const QmpAddress& address, const std::string& commands) {
  return fmt::format("socat -t 86400 - {} <<'END'\n{}END\n",
                     quote_for_shell(socat_address(address)), commands);
}

// Only a background snapshot leaves the guest running.
std::string end_commands(const CaptureOptions& options) {
  bool runs = options.mode == CaptureMode::Background;
  switch (options.after) {
    case After::Keep:
      return runs ? std::string() : command("cont");
    case After::Pause:
      return runs ? command("stop") : std::string();
    case After::Quit:
      return command("quit");
  }
  return {};
}

std::string queries() {
  return command("query-migrate") + command("query-status") + command("query-migrate-parameters") +
         command("query-migrate-capabilities");
}

// What is needed before the migration; for the mode nothing with Auto, which chooses when it has
// asked.
std::string preparation(const CaptureOptions& options) {
  Json list = Json::array();
  auto wants = [&list](const char* name) {
    list.push_back({{"capability", name}, {"state", true}});
  };
  if (options.mode == CaptureMode::Background) wants("background-snapshot");
  bool disks_at_end = options.disk_folder && options.mode != CaptureMode::Background;
  if (disks_at_end) wants("pause-before-switchover");
  if (options.mode == CaptureMode::Live || disks_at_end || options.mapped_ram) wants("events");
  if (options.mapped_ram) wants("mapped-ram");
  if (writes_in_parallel(options)) wants("multifd");
  return list.empty() ? std::string()
                      : command("migrate-set-capabilities", {{"capabilities", list}});
}

// Where QEMU is told to write to.
std::string capture_uri(const CaptureOptions& options, bool by_fd) {
  if (options.mapped_ram) return "file:/dev/fdset/N,offset=0";
  return by_fd ? "fd:vmstream" : "unix:SOCKET";
}

// Of one disk; QEMU's list of the drives gives the others.
std::string snapshot_command(const std::string& folder) {
  Json action{{"type", "blockdev-snapshot-sync"},
              {"data",
               {{"node-name", "NODE"},
                {"snapshot-file", folder + "/DEVICE-TIME.qcow2"},
                {"snapshot-node-name", "OVERLAY"},
                {"format", "qcow2"}}}};
  return "# with one action for each disk that can be written to:\n" +
         command("transaction", {{"actions", Json::array({action})}});
}

// Between the start of the stream and its end.
std::string snapshot_at_the_end(const CaptureOptions& options) {
  if (!options.disk_folder || options.mode == CaptureMode::Background) return {};
  return "# when its status is pre-switchover:\n" + snapshot_command(*options.disk_folder) +
         command("migrate-continue", {{"state", "pre-switchover"}});
}

std::string capture_recipe(const QmpAddress& address, CaptureOptions options, const Json& bandwidth,
                           const std::string& shell_command) {
  options.disk_folder.reset();
  bool stops = options.mode == CaptureMode::Stop;
  std::string text = shell_commands(
      address,
      command("qmp_capabilities") + preparation(options) +
          command("migrate-set-parameters", bandwidth) + (stops ? command("stop") : std::string()) +
          command("migrate", {{"uri", (options.mapped_ram ? "file:" : "exec:") + shell_command}}));
  std::string end = end_commands(options);
  if (end.empty()) return text;
  return text + "# then, once query-migrate says completed:\n" +
         shell_commands(address, command("qmp_capabilities") + end);
}

}  // namespace

std::string explain_capture(const QmpAddress& address, const CaptureOptions& options,
                            const std::string& shell_command) {
  Json bandwidth{{"max-bandwidth", options.max_bandwidth.value_or(kUnlimitedBandwidth)}};
  bool by_fd = passes_fds(address);
  std::string text = fmt::format("# Asked of QEMU at {}:\n", to_text(address));
  text += command("qmp_capabilities") + queries();
  if (options.mode == CaptureMode::Auto) text += "# as for background, else live, else stop:\n";
  text += preparation(options);
  text += command("migrate-set-parameters", bandwidth);
  if (options.mapped_ram) {
    text += command("add-fd", {{"opaque", "vmstream"}});
  } else if (by_fd) {
    text += command("getfd", {{"fdname", "vmstream"}});
  }
  bool disks_first = options.disk_folder && options.mode == CaptureMode::Background;
  if (options.mode == CaptureMode::Stop || disks_first) {
    text += "# if the guest runs:\n" + command("stop");
  }
  if (disks_first) text += snapshot_command(*options.disk_folder);
  text += command("migrate", {{"uri", capture_uri(options, by_fd)}});
  if (disks_first) text += "# when the stream shows a page:\n" + command("cont");
  text += "# until it says completed:\n" + command("query-migrate");
  if (options.mode == CaptureMode::Live) {
    text += "# when a rule says that the guest must stop:\n" +
            command("migrate-set-parameters", {{"downtime-limit", kLongestDowntime}});
  }
  text += snapshot_at_the_end(options);
  if (options.mapped_ram) text += command("remove-fd", {{"fdset-id", "N"}});
  std::string end = end_commands(options);
  if (options.after == After::Keep && !end.empty()) text += "# if the guest ran:\n" + end;
  text += "# the value that was found, here QEMU's default:\n";
  text += command("migrate-set-parameters", {{"max-bandwidth", kDefaultBandwidth}});
  if (options.after != After::Keep && !end.empty()) {
    text += "# when the file is durable:\n" + end;
  }
  text += "\n# The nearest in a shell, without any of the checks";
  text += options.disk_folder ? " and the disks:\n" : ":\n";
  return text + capture_recipe(address, options, bandwidth, shell_command);
}

std::string explain_restore(const std::string& file, const QmpAddress* address,
                            const RestoreOptions& options) {
  std::string text = "# QEMU is started with -incoming defer; then it is asked:\n";
  bool by_fd = !address || passes_fds(*address);
  text += command("qmp_capabilities") + command("query-status");
  if (options.run_state == RunState::Paused) text += command("stop");
  if (by_fd) text += command("getfd", {{"fdname", "vmstream"}});
  text += command("migrate-incoming", {{"uri", by_fd ? "fd:vmstream" : "unix:SOCKET"}});
  text += "# until it says completed:\n" + command("query-migrate");
  if (options.run_state == RunState::Running) text += command("cont");
  text += "\n# The nearest in a shell:\n";
  text += fmt::format("qemu-system-… {}-incoming \"exec:vmrestore {}\"\n",
                      options.run_state == RunState::Paused ? "-S " : "", quote_for_shell(file));
  return text;
}

std::string explain_lazy_restore(const QmpAddress* address, RunState run_state) {
  Json on{{"capabilities", {{{"capability", "postcopy-ram"}, {"state", true}}}}};
  bool by_fd = !address || passes_fds(*address);
  std::string text = "# QEMU is started with -incoming defer; then it is asked:\n";
  text += command("qmp_capabilities") + command("query-status");
  text += command("human-monitor-command", {{"command-line", "info ramblock"}});
  text += command("migrate-set-capabilities", on);
  if (run_state == RunState::AsSaved) text += "# if the guest was saved paused:\n";
  text += command(run_state == RunState::Running ? "cont" : "stop");
  if (by_fd) text += command("getfd", {{"fdname", "vmstream"}});
  text += command("migrate-incoming", {{"uri", by_fd ? "fd:vmstream" : "unix:SOCKET"}});
  text += "# until it says completed:\n" + command("query-migrate");
  return text + "\n# No shell recipe comes near: pages are sent as QEMU asks for them.\n";
}

}  // namespace vmstream
