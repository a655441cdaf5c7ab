// SPDX-License-Identifier: MIT
#include "common/stale_index.h"

#include <vmstream/seekable_state.h>
#include <vmstream/sidecar.h>

namespace vmtools {

void warn_of_stale_index(Session& session, const std::string& file) {
  if (!vmstream::has_stale_sidecar(file)) return;
  session.messages().warning(vmstream::sidecar_path(file),
                             "is the index of what was there before; it stays and is not used");
}

}  // namespace vmtools
