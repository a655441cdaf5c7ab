// SPDX-License-Identifier: MIT
// What a capture and a restore ask of QEMU, spelled out for a person.
#include <fmt/format.h>

#include <vmstream/capture.h>
#include <vmstream/restore.h>
#include <vmstream/text.h>
#include "guest/json.h"
#include "guest/qmp_address.h"

namespace vmstream {
namespace {

// A word for /bin/sh.
std::string quote(std::string_view word) {
  std::string quoted = "'";
  for (char c : word) quoted += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return quoted + "'";
}

std::string command(const char* name, const Json& arguments = {}) {
  Json line{{"execute", name}};
  if (!arguments.is_null()) line["arguments"] = arguments;
  return to_text(line) + "\n";
}

// How socat names the monitor.
std::string socat_address(const QmpAddress& address) {
  if (address.kind == QmpAddress::Kind::Unix) return "UNIX-CONNECT:" + escape(address.path);
  return fmt::format("TCP:{}:{}", escape(address.host), escape(address.port));
}

bool passes_fds(const QmpAddress& address) {
  return address.kind == QmpAddress::Kind::Unix;
}

std::string shell_commands(const QmpAddress& address, const std::string& commands) {
  return fmt::format("socat -t 86400 - {} <<'END'\n{}END\n", quote(socat_address(address)),
                     commands);
}

std::string after_commands(After after) {
  switch (after) {
    case After::Keep:
      return command("cont");
    case After::Pause:
      return {};
    case After::Quit:
      return command("quit");
  }
  return {};
}

}  // namespace

std::string explain_capture(const QmpAddress& address, const CaptureOptions& options,
                            const std::string& shell_command) {
  uint64_t bandwidth = options.max_bandwidth.value_or(uint64_t{1} << 40);
  Json limit{{"max-bandwidth", bandwidth}};
  bool by_fd = passes_fds(address);
  std::string head = command("qmp_capabilities");
  std::string text = fmt::format("# Asked of QEMU at {}:\n", to_text(address)) + head;
  for (const char* query : {"query-migrate", "query-status", "query-migrate-parameters",
                            "query-migrate-capabilities"}) {
    text += command(query);
  }
  text += command("migrate-set-parameters", limit);
  if (by_fd) text += command("getfd", {{"fdname", "vmstream"}});
  text += "# if the guest runs:\n" + command("stop");
  text += command("migrate", {{"uri", by_fd ? "fd:vmstream" : "unix:SOCKET"}});
  text += "# until it says completed:\n" + command("query-migrate");
  if (options.after == After::Keep) text += "# if the guest ran:\n" + command("cont");
  text +=
      "# the value found before:\n" + command("migrate-set-parameters", {{"max-bandwidth", "…"}});
  if (options.after == After::Quit) text += "# when the file is durable:\n" + command("quit");
  text += "\n# The nearest in a shell, without any of the checks:\n";
  std::string recipe = head + command("migrate-set-parameters", limit) + command("stop");
  recipe += command("migrate", {{"uri", "exec:" + shell_command}});
  text += shell_commands(address, recipe);
  std::string end = after_commands(options.after);
  if (!end.empty()) {
    text += "# then, once query-migrate says completed:\n" + shell_commands(address, head + end);
  }
  return text;
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

}  // namespace vmstream
