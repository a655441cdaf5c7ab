// SPDX-License-Identifier: MIT
#include <vmstream/memory_image.h>

#include <fmt/format.h>

#include <vmstream/text.h>
#include "analysis/images/byte_order.h"
#include "analysis/images/core_layout.h"
#include "analysis/images/image_parts.h"

namespace vmstream {
namespace {

constexpr uint64_t k1MiB = 1u << 20;
constexpr uint64_t kLimeHeader = 32;

// Firmware below 1 MiB stands where programs of a PC look for it.
bool goes_in(const PhysicalRange& range, bool with_firmware) {
  if (range.kind == MemoryKind::Ram || with_firmware) return true;
  return range.kind == MemoryKind::Rom && range.end() <= k1MiB;
}

// Bytes of the memory, at offsets that count from the address of each stretch.
Status put_memory(ImageJob& job, ImageSink& out, const std::vector<uint64_t>& offsets) {
  auto keep = [](MemoryPiece piece, PieceReader&) -> Result<MemoryPiece> { return piece; };
  size_t at = 0;
  auto put = [&](MemoryPiece piece) -> Status {
    while (piece.address >= job.stretches[at].end()) ++at;
    job.info.absent_pages += piece.absent_pages;
    job.info.memory_bytes += piece.length;
    return out.put(offsets[at] + (piece.address - job.stretches[at].address), piece.bytes.view());
  };
  return for_each_piece<MemoryPiece>(job.file, job.map, job.stretches, job.options, keep, put);
}

Status write_physical(ImageJob& job, ImageSink& out) {
  std::vector<uint64_t> offsets;
  for (const ImageStretch& stretch : job.stretches) offsets.push_back(stretch.address);
  if (auto put = put_memory(job, out, offsets); !put) return put;
  return out.end(job.stretches.back().end());
}

Status write_core(ImageJob& job, ImageSink& out) {
  auto notes = make_image_notes(job);
  if (!notes) return notes.error();
  std::optional<KernelText> text;
  if (notes->vmcoreinfo) text = find_kernel_text(*notes->vmcoreinfo, notes->machine.name);
  auto layout = lay_out_core(notes->machine, notes->notes, text, job.stretches);
  if (!layout) return layout.error();
  job.info.has_kernel_segment = layout->has_kernel_segment;
  if (auto put = out.put(0, layout->head); !put) return put;
  if (auto put = put_memory(job, out, layout->offsets); !put) return put;
  return out.end(layout->file_bytes);
}

std::vector<std::byte> lime_header(const ImageStretch& stretch) {
  constexpr uint32_t kMagic = 0x4c694d45;
  OrderedBytes out;
  out.u32(kMagic).u32(1).u64(stretch.address).u64(stretch.end() - 1).u64(0);
  return out.take();
}

// Headers and memory take turns, so that a pipe gets them in order.
Status write_lime(ImageJob& job, ImageSink& out) {
  uint64_t position = 0;
  uint64_t total = 0;
  for (const ImageStretch& stretch : job.stretches) total += stretch.length;
  auto how = job.options;
  if (how.on_progress) {
    how.on_progress = [&job, total](uint64_t done, uint64_t) {
      job.options.on_progress(job.info.memory_bytes + done, total);
    };
  }
  for (const ImageStretch& stretch : job.stretches) {
    if (auto put = out.put(position, lime_header(stretch)); !put) return put;
    ImageJob part{job.file, job.map, how, {stretch}};
    if (auto put = put_memory(part, out, {position + kLimeHeader}); !put) return put;
    job.info.absent_pages += part.info.absent_pages;
    job.info.memory_bytes += part.info.memory_bytes;
    position += kLimeHeader + stretch.length;
  }
  return out.end(position);
}

Result<MemoryImageInfo> write(ImageJob& job, ImageSink& out) {
  if (job.stretches.empty()) return Error{Errc::Usage, "no memory of the guest has an address"};
  Status written = ok();
  switch (job.options.form) {
    case MemoryImageForm::Physical:
      written = write_physical(job, out);
      break;
    case MemoryImageForm::Core:
      written = write_core(job, out);
      break;
    case MemoryImageForm::Lime:
      written = write_lime(job, out);
      break;
    case MemoryImageForm::Avml:
      written = write_avml(job, out);
      break;
    case MemoryImageForm::Kdump:
      return Error{Errc::Usage, "this form is written by position"};
  }
  if (!written) return written.error();
  return job.info;
}

}  // namespace

std::vector<ImageStretch> image_stretches(const PhysicalMap& map, bool with_firmware) {
  std::vector<ImageStretch> stretches;
  for (const PhysicalRange& range : map.ranges()) {
    if (!goes_in(range, with_firmware)) continue;
    if (!stretches.empty() && stretches.back().end() == range.address) {
      stretches.back().length += range.length;
    } else {
      stretches.push_back({range.address, range.length});
    }
  }
  return stretches;
}

Result<ImageNotes> make_image_notes(ImageJob& job) {
  auto machine = core_machine(job.options.cpus);
  if (!machine) {
    return Error{.code = Errc::Unsupported,
                 .message = "the form of a core for this processor is not known",
                 .hint = "extract physical, or extract lime, needs no registers"};
  }
  ImageNotes notes{*machine, make_cpu_notes(job.options.cpus, *machine)};
  job.info.processors = job.options.cpus.size();
  auto info = find_vmcoreinfo(job.file, job.map, job.options, machine->is_big);
  if (!info) return info.error();
  if (!*info) return notes;
  const std::string& text = (*info)->text;
  auto bytes = std::as_bytes(std::span(text));
  auto note = make_note("VMCOREINFO", 0, {bytes.begin(), bytes.end()}, machine->is_big);
  constexpr size_t kBeforeText = 24;
  notes.vmcoreinfo_offset = notes.notes.size() + kBeforeText;
  notes.notes.insert(notes.notes.end(), note.begin(), note.end());
  notes.vmcoreinfo = std::move(*info);
  job.info.linux_release = escape(notes.vmcoreinfo->find("OSRELEASE"));
  return notes;
}

Result<MemoryImageInfo> write_memory_image(StateFile& file, const PhysicalMap& map, OutputFile& out,
                                           const MemoryImageOptions& options) {
  ImageJob job{file, map, options, image_stretches(map, options.with_firmware)};
  if (options.form == MemoryImageForm::Kdump) {
    if (auto written = write_kdump(job, out); !written) return written.error();
    return job.info;
  }
  FileImageSink sink(out);
  return write(job, sink);
}

Result<MemoryImageInfo> stream_memory_image(StateFile& file, const PhysicalMap& map, ByteSink& out,
                                            const MemoryImageOptions& options) {
  if (options.form == MemoryImageForm::Physical) {
    return Error{Errc::Usage, "this form is written by position"};
  }
  ImageJob job{file, map, options, image_stretches(map, options.with_firmware)};
  PipeImageSink sink(out);
  return write(job, sink);
}

}  // namespace vmstream
