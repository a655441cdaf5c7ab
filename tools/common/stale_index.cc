// SPDX-License-Identifier: MIT
#include "common/stale_index.h"

#include <new>

#include <vmstream/indexing.h>

namespace vmtools {
namespace {

// The work is done: that there is no memory for the look must not make a failure of it.
bool has_stale_index(const std::string& file) {
  try {
    return vmstream::has_stale_sidecar(file);
  } catch (const std::bad_alloc&) {
    return false;
  }
}

}  // namespace

void warn_of_stale_index(Session& session, const std::string& file) {
  if (!has_stale_index(file)) return;
  session.messages().warning(vmstream::sidecar_path(file),
                             "is the index of what was there before; it stays and is not used");
}

}  // namespace vmtools
