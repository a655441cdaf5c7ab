// SPDX-License-Identifier: MIT
// What a save and a restore ask of libvirt, spelled out for a person.
#include <fmt/format.h>

#include <string>

#include <vmstream/capture.h>
#include <vmstream/command.h>
#include <vmstream/libvirt.h>
#include <vmstream/restore.h>
#include <vmstream/text.h>
#include "guest/libvirt/dump_options.h"

namespace vmstream {
namespace {

std::string connection_text(const std::string& uri) {
  return uri.empty() ? "libvirt (its default connection)" : "libvirt at " + escape(uri);
}

std::string virsh(const std::string& uri) {
  return uri.empty() ? "virsh" : "virsh -c " + quote_for_shell(uri);
}

// Auto as what it is where libvirt and the guest allow it.
bool is_live(const CaptureOptions& options) {
  return options.mode == CaptureMode::Live ||
         (options.mode == CaptureMode::Auto && options.after == After::Keep);
}

}  // namespace

std::string explain_capture(const DomainAddress& address, const CaptureOptions& options,
                            const std::string& shell_command) {
  if (auto possible = check_dump_options(options); !possible) {
    const Error& error = possible.error();
    return fmt::format("# Refused: {}\n{}", error.message,
                       error.hint.empty() ? "" : "# " + error.hint + "\n");
  }
  bool live = is_live(options);
  bool pauses = options.after != After::Keep;
  std::string domain = quote_for_shell(address.domain);
  std::string client = virsh(address.uri);
  std::string text =
      fmt::format("# Asked of {} about the domain {}:\n", connection_text(address.uri), domain);
  text += "virDomainGetState, virDomainGetJobStats, virDomainListGetStats\n";
  text += fmt::format("virDomainGetXMLDesc: VIR_DOMAIN_XML_MIGRATABLE{}\n",
                      options.with_secrets ? " | VIR_DOMAIN_XML_SECURE" : "");
  if (pauses) text += "# if the guest runs:\nvirDomainSuspend\n";
  text += fmt::format("virDomainCoreDumpWithFormat: a private FIFO, RAW{}\n",
                      live ? ", VIR_DUMP_LIVE" : "");
  text += "# meanwhile:\nvirDomainGetState, virDomainGetJobStats\n";
  text += "# if the save fails:\nvirDomainAbortJob, virDomainResume\n";
  if (options.after == After::Quit) text += "# when the file is durable:\nvirDomainDestroyFlags\n";
  text += "\n# The nearest in a shell, without any of the checks:\n";
  text += fmt::format("mkfifo -m 600 fifo; {} < fifo &\n", shell_command);
  if (pauses) text += fmt::format("{} suspend {}\n", client, domain);
  text += fmt::format("{} dump {}{} \"$PWD/fifo\"\n", client, live ? "--live " : "", domain);
  if (options.after == After::Quit) text += fmt::format("{} destroy {}\n", client, domain);
  return text;
}

std::string explain_restore(const std::string& input, const DomainPlan& plan,
                            const RestoreOptions& options) {
  std::string flags;
  if (options.run_state == RunState::Running) flags = ": VIR_DOMAIN_SAVE_RUNNING";
  if (options.run_state == RunState::Paused) flags = ": VIR_DOMAIN_SAVE_PAUSED";
  return fmt::format(
      "# {} is written into a private save image in {}. If it is whole, {} is asked:\n"
      "virDomainRestoreFlags{}\n",
      input, escape(plan.folder), connection_text(plan.uri), flags);
}

}  // namespace vmstream
