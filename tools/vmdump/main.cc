// SPDX-License-Identifier: MIT
// vmdump: saves a running guest into a state file.
#include "common/tool.h"
#include "vmdump/dump.h"
#include "vmdump/options.h"

int main(int argc, char** argv) {
  vmdump::Options options;
  vmtools::CommandLine line(vmdump::tool_text());
  vmdump::add_options(line, options);
  return vmtools::run_tool(line, options.common, argc, argv, [&](vmtools::Session& session) {
    return vmdump::dump(options, session);
  });
}
