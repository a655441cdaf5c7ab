// SPDX-License-Identifier: MIT
#include <vmstream/mapped_restore.h>

#include "guest/lazy/lazy_reader.h"
#include "state/pageless_stream.h"

namespace vmstream {

Result<RestoreSummary> restore_mapped(const LazyFile& file, const std::vector<std::string>& blocks,
                                      QmpClient& qmp, const RestoreOptions& options,
                                      RestoreObserver* observer) {
  auto reader = file.open_reader(LazyCache::kSequential, options.limits);
  if (!reader) return reader.error();
  auto stream =
      make_pageless_source(reader->plain(), file.shared_index(), {.left_out = blocks});
  if (!stream) return stream.error();
  return restore_guest(**stream, qmp, options, observer);
}

}  // namespace vmstream
