// SPDX-License-Identifier: MIT
#include "vmrestore/indexing.h"

#include <fmt/format.h>

#include <vmstream/indexing.h>
#include <vmstream/text.h>

namespace vmrestore {

using vmtools::Session;

vmstream::IndexingObserver indexing_observer(Session& session, const std::string& name) {
  return {.on_begin =
              [&session, name](const std::string& reason) {
                session.messages().warning(
                    name, reason + ": the file is read from front to end for one first");
              },
          .on_end =
              [&session, name](std::chrono::duration<double> taken) {
                session.messages().warning(name,
                                           fmt::format("index made in {:.1f} s", taken.count()));
              }};
}

void keep_index(Session& session, const std::string& name, const vmstream::LazyFile& file,
                vmstream::WaitLimits limits) {
  if (!file.new_sidecar()) return;
  std::string path = vmstream::sidecar_path(name);
  auto kept =
      vmstream::publish_sidecar(path, *file.new_sidecar(), vmstream::Overwrite::Refuse, limits);
  if (kept) {
    session.messages().warning(name, "its index is kept in " + vmstream::escape(path));
  } else {
    session.messages().warning(name, "its index is not kept: " + vmstream::describe(kept.error()));
  }
}

}  // namespace vmrestore
