// SPDX-License-Identifier: MIT
// What the forms of images share.
#pragma once

#include <optional>
#include <vector>

#include "analysis/images/core_notes.h"
#include "analysis/images/image_sink.h"
#include "analysis/images/memory_pieces.h"
#include "analysis/images/vmcoreinfo.h"

namespace vmstream {

/// One image in the making.
struct ImageJob {
  StateFile& file;
  const PhysicalMap& map;
  const MemoryImageOptions& options;
  std::vector<ImageStretch> stretches;
  MemoryImageInfo info = {};
};

/// What describes the guest in a core and in a kdump file.
struct ImageNotes {
  CoreMachine machine;
  std::vector<std::byte> notes;  ///< of the processors, then VMCOREINFO
  size_t vmcoreinfo_offset = 0;  ///< in notes, of the text; 0 without it
  std::optional<VmcoreInfo> vmcoreinfo = std::nullopt;
};
/// Errc::Unsupported for processors whose notes are not known. Fills in the job's info.
Result<ImageNotes> make_image_notes(ImageJob& job);

/// `out` is a regular file. Errc::Unsupported for more memory than the form counts.
Status write_kdump(ImageJob& job, OutputFile& out);
Status write_avml(ImageJob& job, ImageSink& out);

}  // namespace vmstream
