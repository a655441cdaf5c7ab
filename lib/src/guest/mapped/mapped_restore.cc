// SPDX-License-Identifier: MIT
#include <vmstream/mapped_restore.h>

#include "guest/lazy/lazy_reader.h"
#include "guest/mapped/memory_arguments.h"
#include "state/pageless_stream.h"

namespace vmstream {

Result<MappedCommand> complete_command(const std::vector<std::string>& argv,
                                       const StateIndex& index, const PathOfBlock& path_of,
                                       const WaitLimits& limits) {
  if (argv.empty()) return Error{Errc::Usage, "no command for QEMU"};
  auto options = read_qemu_options(argv);
  if (!options) return options.error();
  auto release = query_release(argv[0], limits);
  if (!release) return release.error();
  std::vector<RamBlock> blocks;
  for (const IndexedBlock& entry : index.facts.blocks) blocks.push_back(entry.block);
  auto completed =
      complete_memory(std::move(*options), blocks, *release, path_of, MemoryUse::Run);
  if (!completed) return completed.error();
  return MappedCommand{to_words(argv[0], completed->options), std::move(completed->mapped)};
}

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
