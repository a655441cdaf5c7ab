// SPDX-License-Identifier: MIT
// The head of an ELF core: what stands in front of the memory, and where each stretch of it goes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "analysis/images/core_notes.h"
#include "analysis/images/vmcoreinfo.h"

namespace vmstream {

struct CoreLayout {
  std::vector<std::byte> head;    ///< header, program headers, notes
  std::vector<uint64_t> offsets;  ///< in the file, of each stretch
  uint64_t file_bytes = 0;
  bool has_kernel_segment = false;
};

/// Program headers follow the header directly: makedumpfile looks for them there. Errc::Unsupported
/// for more stretches than an ELF file counts.
Result<CoreLayout> lay_out_core(const CoreMachine& machine, const std::vector<std::byte>& notes,
                                const std::optional<KernelText>& text,
                                const std::vector<ImageStretch>& stretches);

}  // namespace vmstream
