// SPDX-License-Identifier: MIT
// What a restore asks of QEMU, spelled out for a person.
#include <fmt/format.h>

#include <vmstream/lazy_restore.h>
#include <vmstream/restore.h>
#include "guest/monitor/qmp_address.h"
#include "guest/monitor/qmp_command.h"

namespace vmstream {
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
  text += load("migrate-incoming", !address || passes_fds(*address));
  return text + kNoRecipe;
}

std::string explain_lazy_recovery(const QmpAddress& address) {
  std::string text = "# Of a QEMU that waits in postcopy-paused it is asked:\n";
  text += qmp_line("qmp_capabilities") + qmp_line("query-migrate") + query_blocks();
  return text + load("migrate-recover", passes_fds(address)) + kNoRecipe;
}

}  // namespace vmstream
