// SPDX-License-Identifier: MIT
// vmstream-inspect: a state file in, answers out.
#include "common/tool.h"
#include "vmstream-inspect/commands/commands.h"
#include "vmstream-inspect/options.h"

int main(int argc, char** argv) {
  vminspect::InspectOptions options;
  vmtools::CommandLine line(vminspect::tool_text());
  vminspect::add_options(line, options);
  return vmtools::run_tool(line, options.common, argc, argv, [&](vmtools::Session& session) {
    if (auto read = vminspect::read_words(line, options); !read)
      return session.fail("", read.error());
    return vminspect::inspect(session, options);
  });
}
