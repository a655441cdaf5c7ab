// SPDX-License-Identifier: MIT
// vmrestore: brings a saved guest back.
#include "common/tool.h"
#include "vmrestore/options.h"
#include "vmrestore/restore.h"

int main(int argc, char** argv) {
  vmrestore::Options options;
  vmtools::CommandLine line(vmrestore::tool_text());
  vmrestore::add_options(line, options);
  return vmtools::run_tool(line, options.common, argc, argv, [&](vmtools::Session& session) {
    if (auto read = vmrestore::read_words(options); !read) return session.fail("", read.error());
    return vmrestore::restore(options, session);
  });
}
