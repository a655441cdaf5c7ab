// SPDX-License-Identifier: MIT
// What stands around the work of every tool, so that its main() is a paragraph.
#pragma once

#include <chrono>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include <vmstream/cancellation.h>
#include "common/command_line.h"
#include "common/common_options.h"
#include "common/messages.h"

namespace vmtools {

/// What has become of a guest when something failed.
struct GuestFate {
  std::string_view word;   ///< in JSON
  std::string_view words;  ///< for people: "the guest runs again"
};

/// What the work of a tool is given.
class Session {
 public:
  /// `inherited`: descriptors that the tool was started with.
  Session(const ToolText& tool, const CommonOptions& options,
          const vmstream::Cancellation& cancellation, std::vector<int> inherited = {});

  const ToolText& tool() const { return tool_; }
  const CommonOptions& options() const { return options_; }
  Messages& messages() { return messages_; }
  const std::vector<int>& inherited() const { return inherited_; }

  /// Waits end with a signal, or `timeout` from now, which is what --timeout was given.
  vmstream::WaitLimits limits(std::optional<std::chrono::milliseconds> timeout = {});

  /// Stdout is for something else than JSON: fail() prints nothing there.
  void leave_stdout() { prints_json_ = false; }

  /// What a failure from here on means for a guest: fail() says so.
  void set_guest(GuestFate fate) { guest_ = fate; }
  /// The same, if there is a guest.
  void change_guest(GuestFate fate) {
    if (guest_) guest_ = fate;
  }

  /// For work that reads nothing more: whether a signal has come.
  vmstream::Status check_interrupted() const;

  /// Reports `error` about `subject` (a file, an address; may be empty) and gives the status to
  /// return. After a signal it is that of an interrupt, whatever the signal broke first. With
  /// --json programs get an object too (schema vmstream.error/1), unless stdout has a result
  /// already.
  ExitStatus fail(std::string_view subject, const vmstream::Error& error);

  /// Tells what has come of work that is done: people by `lines`, programs, with --json, by
  /// `result`. Where that cannot be written, the error comes with `all_the_same`, what is true
  /// nevertheless, and people get the lines whether they want them or not.
  ExitStatus report(const nlohmann::ordered_json& result, const std::vector<std::string>& lines,
                    std::string_view all_the_same);

 private:
  vmstream::Error explain(vmstream::Error error) const;

  const ToolText& tool_;
  const CommonOptions& options_;
  const vmstream::Cancellation& cancellation_;
  Messages messages_;
  std::vector<int> inherited_;
  bool prints_json_;
  std::optional<std::chrono::milliseconds> timeout_;
  std::optional<GuestFate> guest_;
};

/// Parses the command line, lets `work` run with signals caught, flushes stdout, and gives what
/// main() returns. `options` are those that were added to `line`.
int run_tool(CommandLine& line, const CommonOptions& options, int argc, char** argv,
             const std::function<ExitStatus(Session&)>& work);

}  // namespace vmtools
