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

/// What the work of a tool is given.
class Session {
 public:
  Session(const ToolText& tool, const CommonOptions& options,
          const vmstream::Cancellation& cancellation);

  const ToolText& tool() const { return tool_; }
  const CommonOptions& options() const { return options_; }
  Messages& messages() { return messages_; }

  /// Waits end with a signal, or `timeout` from now.
  vmstream::WaitLimits limits(std::optional<std::chrono::milliseconds> timeout = {}) const;

  /// For work that reads nothing more: whether a signal has come.
  vmstream::Status check_interrupted() const;

  /// Reports `error` about `subject` (a file, an address; may be empty) and gives the status to
  /// return. After a signal it is that of an interrupt, whatever the signal broke first.
  ExitStatus fail(std::string_view subject, const vmstream::Error& error);

  /// Tells what has come of work that is done: people by `lines`, programs, with --json, by
  /// `result`. Where that cannot be written, the error comes with `all_the_same`, what is true
  /// nevertheless, and people get the lines whether they want them or not.
  ExitStatus report(const nlohmann::ordered_json& result, const std::vector<std::string>& lines,
                    std::string_view all_the_same);

 private:
  const ToolText& tool_;
  const CommonOptions& options_;
  const vmstream::Cancellation& cancellation_;
  Messages messages_;
};

/// Parses the command line, lets `work` run with signals caught, flushes stdout, and gives what
/// main() returns. `options` are those that were added to `line`.
int run_tool(CommandLine& line, const CommonOptions& options, int argc, char** argv,
             const std::function<ExitStatus(Session&)>& work);

}  // namespace vmtools
