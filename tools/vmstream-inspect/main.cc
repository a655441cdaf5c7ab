// SPDX-License-Identifier: MIT
// vmstream-inspect: a state file in, answers out.
#include "common/tool.h"
#include "vmstream-inspect/commands/inspect.h"
#include "vmstream-inspect/options.h"

int main(int argc, char** argv) {
  vmtools::InspectOptions options;
  vmtools::CommandLine line(vmtools::inspect_text());
  vmtools::add_inspect_options(line, options);
  return vmtools::run_tool(line, options.common, argc, argv, [&](vmtools::Session& session) {
    if (auto read = vmtools::read_words(line, options); !read)
      return session.fail("", read.error());
    return vmtools::inspect(session, options);
  });
}
