// SPDX-License-Identifier: MIT
#include "analysis/images/core_layout.h"

#include <fmt/format.h>

#include <algorithm>

#include "analysis/images/byte_order.h"

namespace vmstream {
namespace {

constexpr size_t kHeaderBytes = 64;
constexpr size_t kSegmentBytes = 56;
constexpr uint64_t kAlignment = 4096;
constexpr size_t kMostSegments = 65000;
constexpr uint32_t kLoad = 1;
constexpr uint32_t kNote = 4;
constexpr uint64_t kMostText = 64u << 20;

struct Segment {
  uint32_t type = kLoad;
  uint64_t offset = 0;
  uint64_t virtual_address = 0;
  uint64_t physical_address = 0;
  uint64_t bytes = 0;
};

void add_header(OrderedBytes& out, const CoreMachine& machine, size_t segments) {
  constexpr uint8_t k64Bits = 2;
  constexpr uint8_t kCore = 4;
  out.text(
         "\x7f"
         "ELF",
         4)
      .number(k64Bits, 1)
      .number(machine.is_big ? 2 : 1, 1)
      .number(1, 1);
  out.pad_to(16).u16(kCore).u16(machine.elf_machine).u32(1).u64(0).u64(kHeaderBytes).u64(0);
  out.u32(0).u16(kHeaderBytes).u16(kSegmentBytes).u16(segments).u16(0).u16(0).u16(0);
}

void add_segment(OrderedBytes& out, const Segment& segment) {
  out.u32(segment.type).u32(0).u64(segment.offset).u64(segment.virtual_address);
  out.u64(segment.physical_address).u64(segment.bytes).u64(segment.bytes).u64(0);
}

// What debuggers read by the kernel's own addresses: the same bytes of the file once more.
std::optional<Segment> kernel_segment(const KernelText& text,
                                      const std::vector<ImageStretch>& stretches,
                                      const std::vector<uint64_t>& offsets) {
  for (size_t i = 0; i < stretches.size(); ++i) {
    const ImageStretch& stretch = stretches[i];
    uint64_t within = text.physical_address - stretch.address;
    if (text.physical_address < stretch.address || within >= stretch.length) continue;
    uint64_t bytes = std::min({kMostText, stretch.length - within, ~text.virtual_address + 1});
    return Segment{kLoad, offsets[i] + within, text.virtual_address, text.physical_address, bytes};
  }
  return std::nullopt;
}

}  // namespace

Result<CoreLayout> lay_out_core(const CoreMachine& machine, const std::vector<std::byte>& notes,
                                const std::optional<KernelText>& text,
                                const std::vector<ImageStretch>& stretches) {
  if (stretches.size() > kMostSegments) {
    return Error{Errc::Unsupported, fmt::format("the memory is in {} pieces; an ELF core takes {}",
                                                stretches.size(), kMostSegments)};
  }
  CoreLayout layout;
  size_t segments = 1 + (text ? 1 : 0) + stretches.size();
  uint64_t notes_at = kHeaderBytes + segments * kSegmentBytes;
  uint64_t next = notes_at + notes.size();
  for (const ImageStretch& stretch : stretches) {
    // A page of the guest is a page of the file.
    next = (next + kAlignment - 1) / kAlignment * kAlignment + stretch.address % kAlignment;
    layout.offsets.push_back(next);
    next += stretch.length;
  }
  layout.file_bytes = next;
  std::optional<Segment> kernel;
  if (text) kernel = kernel_segment(*text, stretches, layout.offsets);
  layout.has_kernel_segment = kernel.has_value();
  OrderedBytes out(machine.is_big);
  add_header(out, machine, segments - (text && !kernel ? 1 : 0));
  add_segment(out, {kNote, notes_at, 0, 0, notes.size()});
  if (kernel) add_segment(out, *kernel);
  for (size_t i = 0; i < stretches.size(); ++i) {
    const ImageStretch& stretch = stretches[i];
    add_segment(out, {kLoad, layout.offsets[i], stretch.address, stretch.address, stretch.length});
  }
  out.pad_to(static_cast<size_t>(notes_at));
  layout.head = out.take();
  layout.head.insert(layout.head.end(), notes.begin(), notes.end());
  return layout;
}

}  // namespace vmstream
