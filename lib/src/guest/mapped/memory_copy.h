// SPDX-License-Identifier: MIT
// All of a guest's memory in memory of the system, sealed.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <vector>

#include <vmstream/lazy_restore.h>
#include <vmstream/memory_view.h>
#include "base/unique_fd.h"

namespace vmstream {

/// The first `blocks` of the file, each in a memfd with holes where it is zero, which nobody can
/// write, cut or punch. Read on all cores; the first page that cannot be read fails it.
Result<std::vector<UniqueFd>> copy_memory(const LazyFile& file, size_t blocks,
                                          const MemoryViewOptions& options,
                                          const std::function<void(uint64_t bytes)>& on_progress);

}  // namespace vmstream
