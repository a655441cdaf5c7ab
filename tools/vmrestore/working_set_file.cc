// SPDX-License-Identifier: MIT
#include "vmrestore/working_set_file.h"

#include <vmstream/output_file.h>
#include <vmstream/random_source.h>
#include "common/text_file.h"

namespace vmrestore {

using vmstream::Errc;
using vmstream::Error;
using vmstream::OutputFile;
using vmstream::Overwrite;
using vmstream::Result;
using vmstream::Status;
using vmstream::WorkingSet;

namespace {

constexpr uint64_t kMostBytes = 64u << 20;  // a million ranges

}  // namespace

Result<WorkingSetFile> WorkingSetFile::open(const Options& options, vmstream::WaitLimits limits) {
  WorkingSetFile set;
  set.path_ = options.working_set;
  set.use_ = options.prefetch.value_or(Prefetch::WorkingSet) == Prefetch::WorkingSet;
  if (!set.path_) return set;
  auto file = vmstream::open_random_file(*set.path_, limits);
  if (!file) {
    // The first run has none to begin with.
    if (options.prefetch == Prefetch::WorkingSet) return file.error();
    return set;
  }
  auto text = vmtools::read_text(**file, kMostBytes, "a working set");
  if (!text) return text.error();
  auto known = WorkingSet::parse(*text);
  if (!known) return known.error();
  set.known_ = std::move(*known);
  return set;
}

Status WorkingSetFile::keep(const WorkingSet& asked) const {
  if (!path_) return vmstream::ok();
  WorkingSet all = known_.value_or(WorkingSet{});
  all.ranges.insert(all.ranges.end(), asked.ranges.begin(), asked.ranges.end());
  auto text = all.to_text();
  auto file = OutputFile::create(*path_, Overwrite::Replace);
  if (!file) return file.error();
  if (auto written = (*file)->write(std::as_bytes(std::span(text))); !written) return written;
  return (*file)->commit_file();
}

}  // namespace vmrestore
