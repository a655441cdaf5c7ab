// SPDX-License-Identifier: MIT
// The memory of a saved guest as files that other tools open.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <vmstream/byte_sink.h>
#include <vmstream/cpu_registers.h>
#include <vmstream/output_file.h>
#include <vmstream/physical_map.h>
#include <vmstream/result.h>
#include <vmstream/state_file.h>

namespace vmstream {

enum class MemoryImageForm {
  Physical,  ///< raw: the byte at an offset is that of the address; holes are holes of the file
  Core,      ///< ELF, as QEMU's dump-guest-memory
  Lime,      ///< of the Linux Memory Extractor
  Avml,      ///< version 2, in snappy frames whose chunks are not compressed; zero pages left out
  Kdump,     ///< diskdump, compressed page by page
};

enum class KdumpCompression { Zlib, Lzo, Zstd };

/// What goes into an image besides the memory.
struct MemoryImageOptions {
  MemoryImageForm form = MemoryImageForm::Physical;
  KdumpCompression compression = KdumpCompression::Zlib;
  std::vector<CpuRegisters> cpus = {};  ///< for the notes of Core and Kdump
  /// Where the device vmcoreinfo says that the guest's note is. Without it, the memory is searched.
  std::optional<uint64_t> vmcoreinfo_address = std::nullopt;
  bool with_firmware = false;  ///< ROMs above 1 MiB and memory of devices too
  unsigned threads = 0;        ///< 0: one a core
  /// Told how many bytes of memory have been written, of how many.
  std::function<void(uint64_t done, uint64_t total)> on_progress = {};
};

/// What was written.
struct MemoryImageInfo {
  uint64_t memory_bytes = 0;  ///< of the guest, holes left out
  uint64_t absent_pages = 0;  ///< that were never sent: zero in the image
  size_t processors = 0;      ///< that have notes
  std::optional<std::string> linux_release = std::nullopt;  ///< of the note VMCOREINFO; escaped
  bool has_kernel_segment = false;  ///< Core: the kernel's text by its virtual address
};

/// The stretches of memory that go into an image, by address; neighbours are one.
struct ImageStretch {
  uint64_t address = 0;
  uint64_t length = 0;
  uint64_t end() const { return address + length; }
};
std::vector<ImageStretch> image_stretches(const PhysicalMap& map, bool with_firmware);

/// Writes an image by position, with holes where the memory is zero; `out` is a regular file and is
/// borrowed. `file` is one that StateFile::ram() opens at once; each thread opens it again, and its
/// limits end the work.
/// Memory: 1 MiB for each piece under way (2 * threads + 3), and a RamImage for each thread.
///
/// Errc::Usage for a guest without memory, Errc::Unsupported for one that the form cannot hold;
/// Errc::Malformed where the file is damaged.
Result<MemoryImageInfo> write_memory_image(StateFile& file, const PhysicalMap& map, OutputFile& out,
                                           const MemoryImageOptions& options);
/// The same from front to end, zeros written out. Errc::Usage for Physical and Kdump, which are
/// written by position. `out` is not finished.
Result<MemoryImageInfo> stream_memory_image(StateFile& file, const PhysicalMap& map, ByteSink& out,
                                            const MemoryImageOptions& options);

}  // namespace vmstream
