// SPDX-License-Identifier: MIT
// What a capture and a restore ask of QEMU, spelled out for a person.
#include <fmt/format.h>

#include <vmstream/capture.h>
#include <vmstream/lazy_restore.h>
#include <vmstream/restore.h>
#include <vmstream/text.h>
#include "base/json.h"
#include "guest/guest_state.h"
#include "guest/qmp_address.h"

namespace vmstream {
namespace {

constexpr uint64_t kDefaultBandwidth = 128u << 20;

// A word for /bin/sh.
std::string quote(std::string_view word) {
  std::string quoted = "'";
  for (char c : word) quoted += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return quoted + "'";
}

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
  return fmt::format("socat -t 86400 - {} <<'END'\n{}END\n", quote(socat_address(address)),
                     commands);
}

std::string end_commands(After after) {
  if (after == After::Keep) return command("cont");
  return after == After::Quit ? command("quit") : std::string();
}

std::string queries() {
  return command("query-migrate") + command("query-status") + command("query-migrate-parameters") +
         command("query-migrate-capabilities");
}

std::string capture_recipe(const QmpAddress& address, const Json& bandwidth, After after,
                           const std::string& shell_command) {
  std::string text = shell_commands(
      address, command("qmp_capabilities") + command("migrate-set-parameters", bandwidth) +
                   command("stop") + command("migrate", {{"uri", "exec:" + shell_command}}));
  std::string end = end_commands(after);
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
  text += command("migrate-set-parameters", bandwidth);
  if (by_fd) text += command("getfd", {{"fdname", "vmstream"}});
  text += "# if the guest runs:\n" + command("stop");
  text += command("migrate", {{"uri", by_fd ? "fd:vmstream" : "unix:SOCKET"}});
  text += "# until it says completed:\n" + command("query-migrate");
  if (options.after == After::Keep) text += "# if the guest ran:\n" + command("cont");
  text += "# the value that was found, here QEMU's default:\n";
  text += command("migrate-set-parameters", {{"max-bandwidth", kDefaultBandwidth}});
  if (options.after == After::Quit) text += "# when the file is durable:\n" + command("quit");
  text += "\n# The nearest in a shell, without any of the checks:\n";
  return text + capture_recipe(address, bandwidth, options.after, shell_command);
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
                      options.run_state == RunState::Paused ? "-S " : "", quote(file));
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
