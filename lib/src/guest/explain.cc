// SPDX-License-Identifier: MIT
// What a save and a restore ask of QEMU, spelled out for a person.
#include <fmt/format.h>

#include <string>

#include <vmstream/capture.h>
#include <vmstream/command.h>
#include <vmstream/lazy_restore.h>
#include <vmstream/qmp.h>
#include <vmstream/restore.h>
#include <vmstream/text.h>
#include "base/json.h"
#include "guest/capture/capture_mode.h"
#include "guest/lazy/save_mark.h"
#include "guest/monitor/qmp_address.h"
#include "guest/monitor/qmp_command.h"

namespace vmstream {
namespace {

// {"execute": "NAME"} as a line, with arguments unless they are null.
std::string qmp_line(const char* name, const Json& arguments = {}) {
  if (arguments.is_null()) return fmt::format("{{\"execute\": \"{}\"}}\n", name);
  return fmt::format("{{\"execute\": \"{}\", \"arguments\": {}}}\n", name, to_text(arguments));
}

// As QEMU is set if nobody has changed it; capabilities are off.
Json defaults() {
  return {{"max-bandwidth", 128u << 20},
          {"downtime-limit", 300},
          {"multifd-channels", 2},
          {"direct-io", false}};
}

Json capabilities(const CaptureOptions& options, bool as_found) {
  Json list = Json::array();
  for (const auto& [name, on] : capabilities_for(options.mode, options)) {
    if (on) list.push_back({{"capability", name}, {"state", !as_found}});
  }
  return list;
}

Json parameters(const CaptureOptions& options) {
  Json wanted = Json::object();
  for (const auto& [name, value] : parameters_for(options.mode, options)) {
    if (value != false) wanted[name] = value;
  }
  return wanted;
}

std::string set_capabilities(const CaptureOptions& options, bool as_found) {
  Json list = capabilities(options, as_found);
  if (list.empty()) return {};
  return qmp_line("migrate-set-capabilities", {{"capabilities", list}});
}

std::string preparation(const CaptureOptions& options) {
  return set_capabilities(options, false) + qmp_line("migrate-set-parameters", parameters(options));
}

std::string putting_back(const CaptureOptions& options) {
  Json changed = parameters(options);
  if (options.mode == CaptureMode::Live) changed["downtime-limit"] = nullptr;
  Json found = defaults();
  for (const auto& [name, value] : changed.items()) value = found[name];
  return "# the values that were found, here QEMU's defaults:\n" +
         qmp_line("migrate-set-parameters", changed) + set_capabilities(options, true);
}

std::string queries() {
  return qmp_line("query-migrate") + qmp_line("query-status") +
         qmp_line("query-migrate-capabilities") + qmp_line("query-migrate-parameters");
}

// What the drives are; of a guest that goes on without snapshots, to warn of them.
std::string disk_queries(const CaptureOptions& options) {
  if (!options.disk_folder) return options.after == After::Keep ? qmp_line("query-block") : "";
  return qmp_line("query-block") + qmp_line("query-chardev") + qmp_line("query-named-block-nodes");
}

// Of one disk; QEMU's list of the drives gives the others.
std::string snapshot(const std::string& folder) {
  Json action{{"type", "blockdev-snapshot-sync"},
              {"data",
               {{"node-name", "NODE"},
                {"snapshot-file", folder + "/DEVICE-TIME-TAG-NUMBER.qcow2"},
                {"snapshot-node-name", "OVERLAY"},
                {"format", "qcow2"}}}};
  return "# with one action for each disk that can be written to:\n" +
         qmp_line("transaction", {{"actions", Json::array({action})}});
}

bool has_disks_first(const CaptureOptions& options) {
  return options.disk_folder && options.mode == CaptureMode::Background;
}

// The way that the stream takes, and what must have happened before.
std::string begin(const CaptureOptions& options, bool by_fd) {
  std::string text;
  std::string uri = by_fd ? "fd:vmstream" : "unix:SOCKET";
  if (options.mapped_ram) {
    uri = "file:/dev/fdset/N,offset=0";
    text += qmp_line("add-fd", {{"opaque", "vmstream"}});
  } else if (by_fd) {
    text += qmp_line("getfd", {{"fdname", "vmstream"}});
  }
  if (options.mode == CaptureMode::Stop || has_disks_first(options)) {
    text += "# if the guest runs:\n" + qmp_line("stop");
  }
  if (has_disks_first(options)) text += snapshot(*options.disk_folder);
  return text + qmp_line("migrate", {{"uri", uri}});
}

std::string meanwhile(const CaptureOptions& options) {
  std::string text;
  if (has_disks_first(options)) text += "# when the stream shows a page:\n" + qmp_line("cont");
  text += "# until it says completed:\n" + qmp_line("query-migrate");
  if (options.mode == CaptureMode::Live) {
    text += "# when a rule says that the guest must stop:\n" +
            qmp_line("migrate-set-parameters", {{"downtime-limit", kLongestDowntime}});
  }
  if (options.disk_folder && !has_disks_first(options)) {
    text += "# when its status is pre-switchover:\n" + snapshot(*options.disk_folder) +
            qmp_line("migrate-continue", {{"state", "pre-switchover"}});
  }
  if (options.mapped_ram) text += qmp_line("remove-fd", {{"fdset-id", "N"}});
  return text;
}

// Only a background snapshot leaves the guest running.
std::string fate(const CaptureOptions& options) {
  bool runs = options.mode == CaptureMode::Background;
  switch (options.after) {
    case After::Keep:
      return runs ? std::string() : qmp_line("cont");
    case After::Pause:
      return runs ? qmp_line("stop") : std::string();
    case After::Quit:
      return qmp_line("quit");
  }
  return {};
}

std::string end(const CaptureOptions& options) {
  std::string last = fate(options);
  std::string back = putting_back(options);
  if (last.empty()) return back;
  if (options.after == After::Keep) return "# if the guest ran:\n" + last + back;
  return back + "# when the file is durable:\n" + last;
}

// How socat names the monitor.
std::string socat_address(const QmpAddress& address) {
  if (address.kind == QmpAddress::Kind::Unix) return "UNIX-CONNECT:" + escape(address.path);
  return "TCP:" + to_text(address).substr(std::string_view("tcp:").size());
}

std::string session(const QmpAddress& address, const std::string& commands) {
  return fmt::format("socat -t 86400 - {} <<'END'\n{}{}END\n",
                     quote_for_shell(socat_address(address)), qmp_line("qmp_capabilities"),
                     commands);
}

std::string recipe(const QmpAddress& address, CaptureOptions options,
                   const std::string& shell_command) {
  options.disk_folder.reset();
  std::string uri = (options.mapped_ram ? "file:" : "exec:") + shell_command;
  std::string commands = preparation(options);
  if (options.mode == CaptureMode::Stop) commands += qmp_line("stop");
  std::string text = session(address, commands + qmp_line("migrate", {{"uri", uri}}));
  std::string last = fate(options);
  if (last.empty()) return text;
  return text + "# then, once query-migrate says completed:\n" + session(address, last);
}

// Auto as the mode that it tries first; QEMU takes no mapped-ram file of a background save.
std::string settle_mode(CaptureOptions& options) {
  if (options.mode != CaptureMode::Auto) return {};
  options.mode = options.mapped_ram ? CaptureMode::Live : CaptureMode::Background;
  return fmt::format("# {} here; where that cannot be had {}stop:\n", name_of(options.mode),
                     options.mapped_ram ? "" : "live, and where that is not safe ");
}

}  // namespace

std::string explain_capture(const QmpAddress& address, const CaptureOptions& options,
                            const std::string& shell_command) {
  CaptureOptions settled = options;
  std::string text = fmt::format("# Asked of QEMU at {}:\n", to_text(address));
  text += qmp_line("qmp_capabilities") + queries() + disk_queries(options);
  text += settle_mode(settled);
  text += preparation(settled);
  text += begin(settled, passes_fds(address));
  text += meanwhile(settled);
  text += end(settled);
  text += "\n# The nearest in a shell, without any of the checks";
  text += settled.disk_folder ? " and the disks:\n" : ":\n";
  if (!settled.mapped_ram) {
    text +=
        "# (exec: kills a QEMU that may start no program, as by -sandbox on,spawn=deny; the "
        "commands "
        "above do not)\n";
  }
  return text + recipe(address, settled, shell_command);
}

namespace {

constexpr const char* kBegin = "# QEMU is started with -incoming defer; then it is asked:\n";

std::string load(const char* how, bool by_fd) {
  std::string text = by_fd ? qmp_line("getfd", {{"fdname", "vmstream"}}) : std::string();
  text += qmp_line(how, {{"uri", by_fd ? "fd:vmstream" : "unix:SOCKET"}});
  return text + "# until it says completed:\n" + qmp_line("query-migrate");
}

std::string query_blocks() {
  return qmp_line("human-monitor-command", {{"command-line", "info ramblock"}});
}

constexpr const char* kNoRecipe =
    "\n# No shell recipe comes near: pages are sent as QEMU asks for them.\n";

}  // namespace

std::string explain_restore(const std::string& input, const QmpAddress* address,
                            const RestoreOptions& options) {
  std::string text = kBegin;
  text += qmp_line("qmp_capabilities") + qmp_line("query-status");
  bool held = starts_nothing(options);
  if (held) text += qmp_line("stop");
  text += load("migrate-incoming", !address || passes_fds(*address));
  if (held && options.run_state == RunState::AsSaved) text += "# if the guest was saved running:\n";
  if (held && options.run_state != RunState::Paused) text += qmp_line("cont");
  text += "\n# The nearest in a shell:\n";
  text += fmt::format("qemu-system-x86_64 ... {}-incoming \"exec:vmrestore {}\"\n",
                      options.run_state == RunState::Paused ? "-S " : "", input);
  return text;
}

std::string explain_lazy_restore(const QmpAddress* address, RunState run_state) {
  Json on{{"capabilities", {{{"capability", "postcopy-ram"}, {"state", true}}}}};
  std::string text = kBegin;
  text += qmp_line("qmp_capabilities") + qmp_line("query-status");
  text += query_blocks();
  text += qmp_line("migrate-set-capabilities", on);
  if (run_state == RunState::AsSaved) text += "# if the guest was saved paused:\n";
  text += qmp_line(run_state == RunState::Running ? "cont" : "stop");
  text += "# a mark of the save, for --resume-lazy; object-del takes it away at the end:\n";
  text += qmp_line("qom-list", {{"path", "/objects"}});
  text += qmp_line("object-add", {{"qom-type", SaveMark::kType},
                                  {"id", fmt::format("{}DIGEST", SaveMark::kFront)}});
  text += load("migrate-incoming", !address || passes_fds(*address));
  return text + kNoRecipe;
}

std::string explain_lazy_recovery(const QmpAddress& address) {
  std::string text = "# Of a QEMU that waits in postcopy-paused it is asked:\n";
  text += qmp_line("qmp_capabilities") + qmp_line("query-migrate") + query_blocks();
  text += qmp_line("qom-list", {{"path", "/objects"}});
  return text + load("migrate-recover", passes_fds(address)) + kNoRecipe;
}

}  // namespace vmstream
