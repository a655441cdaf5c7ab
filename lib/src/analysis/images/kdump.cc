// SPDX-License-Identifier: MIT
// The diskdump form: bitmaps of pages, a descriptor for each, and the pages, each compressed alone.
#include <fmt/format.h>
#include <lzo/lzo1x.h>
#include <zlib.h>
#include <zstd.h>

#include <memory>

#include <vmstream/text.h>
#include "analysis/images/byte_order.h"
#include "analysis/images/image_parts.h"
#include "base/zero.h"

namespace vmstream {
namespace {

constexpr uint64_t kSubHeaderBytes = 104;
constexpr uint64_t kDescriptorBytes = 24;
constexpr uint64_t kPageBytes = 4096;
constexpr uint64_t kMostPages = uint64_t{1} << 34;  // 64 TiB; the bitmaps take a bit for each
constexpr int kZlibLevel = 1;
constexpr int kZstdLevel = 1;

// Flags of a page, and of the file.
uint32_t flag_of(KdumpCompression compression) {
  switch (compression) {
    case KdumpCompression::Zlib:
      return 1;
    case KdumpCompression::Lzo:
      return 2;
    case KdumpCompression::Zstd:
      break;
  }
  return 0x20;
}

// Compresses pages; one for each thread.
class PagePacker {
 public:
  explicit PagePacker(KdumpCompression compression)
      : compression_(compression), room_(2 * kPageBytes), work_(LZO1X_1_MEM_COMPRESS) {
    if (compression == KdumpCompression::Zstd) zstd_.reset(::ZSTD_createCCtx());
  }

  // Empty where that makes the page no smaller. Lives until the next call.
  std::span<const std::byte> pack(std::span<const std::byte> page) {
    size_t size = packed_size(page);
    if (size == 0 || size >= page.size()) return {};
    return std::span(room_).first(size);
  }

 private:
  size_t packed_size(std::span<const std::byte> page) {
    if (compression_ == KdumpCompression::Zstd) {
      if (!zstd_) return 0;
      size_t size = ::ZSTD_compressCCtx(zstd_.get(), room_.data(), room_.size(), page.data(),
                                        page.size(), kZstdLevel);
      return ::ZSTD_isError(size) != 0 ? 0 : size;
    }
    const auto* from = reinterpret_cast<const unsigned char*>(page.data());
    auto* to = reinterpret_cast<unsigned char*>(room_.data());
    if (compression_ == KdumpCompression::Lzo) {
      lzo_uint size = room_.size();
      int result = ::lzo1x_1_compress(from, page.size(), to, &size, work_.data());
      return result == LZO_E_OK ? size : 0;
    }
    uLongf size = room_.size();
    int result = ::compress2(to, &size, from, static_cast<uLong>(page.size()), kZlibLevel);
    return result == Z_OK ? size : 0;
  }

  struct FreeZstd {
    void operator()(ZSTD_CCtx* context) const { ::ZSTD_freeCCtx(context); }
  };

  KdumpCompression compression_;
  std::vector<std::byte> room_;
  std::vector<unsigned char> work_;
  std::unique_ptr<ZSTD_CCtx, FreeZstd> zstd_;
};

// Pages of a piece, one behind the other.
struct PackedPages {
  struct Page {
    uint32_t bytes = 0;  // 0: all zero
    bool is_packed = false;
  };
  uint64_t first = 0;  // number of the first page
  std::vector<Page> pages;
  Buffer bytes;
  uint64_t absent_pages = 0;
};

Result<PackedPages> pack_pages(const MemoryPiece& piece, KdumpCompression compression) {
  PagePacker packer(compression);
  PackedPages packed{piece.address / kPageBytes, {}, Buffer(piece.length), piece.absent_pages};
  for (size_t at = 0; at + kPageBytes <= piece.length; at += kPageBytes) {
    auto page = piece.bytes.view().subspan(at, kPageBytes);
    if (is_zero(page)) {
      packed.pages.push_back({});
      continue;
    }
    auto small = packer.pack(page);
    auto chosen = small.empty() ? page : small;
    packed.bytes.append(chosen);
    packed.pages.push_back({static_cast<uint32_t>(chosen.size()), !small.empty()});
  }
  return packed;
}

uint64_t blocks_of(uint64_t bytes) {
  return (bytes + kPageBytes - 1) / kPageBytes;
}

// Where the parts of the file are.
struct KdumpLayout {
  uint64_t last_page = 0;  // one past it
  uint64_t sub_blocks = 0;
  uint64_t bitmap_blocks = 0;  // of each of the two
  uint64_t pages = 0;

  uint64_t bitmap_offset() const { return (1 + sub_blocks) * kPageBytes; }
  uint64_t descriptor_offset() const { return bitmap_offset() + 2 * bitmap_blocks * kPageBytes; }
  uint64_t data_offset() const { return descriptor_offset() + pages * kDescriptorBytes; }
};

// Whole pages only: the form has no parts of pages.
std::vector<ImageStretch> whole_pages(const std::vector<ImageStretch>& stretches) {
  std::vector<ImageStretch> whole;
  for (const ImageStretch& stretch : stretches) {
    uint64_t begin = blocks_of(stretch.address) * kPageBytes;
    uint64_t end = stretch.end() / kPageBytes * kPageBytes;
    if (begin < end) whole.push_back({begin, end - begin});
  }
  return whole;
}

std::vector<std::byte> kdump_header(const ImageJob& job, const ImageNotes& notes,
                                    const KdumpLayout& layout) {
  constexpr size_t kNameBytes = 65;
  constexpr size_t kStatus = 424;
  bool is_linux = notes.vmcoreinfo.has_value();
  auto release = is_linux ? notes.vmcoreinfo->find("OSRELEASE") : std::string_view("unknown");
  OrderedBytes out(notes.machine.is_big);
  out.text("KDUMP   ", 8).u32(6);
  // A reader takes names that are not all there for no names.
  for (std::string_view name :
       {std::string_view("Linux"), std::string_view("(none)"), release, std::string_view("#1"),
        notes.machine.name, std::string_view("(none)")}) {
    out.text(name, kNameBytes);
  }
  out.pad_to(kStatus).u32(flag_of(job.options.compression)).u32(kPageBytes);
  out.u32(layout.sub_blocks).u32(2 * layout.bitmap_blocks);
  out.u32(std::min<uint64_t>(layout.last_page, UINT32_MAX)).u32(0).u32(0).u32(0).u32(0);
  return out.u32(job.options.cpus.size()).pad_to(kPageBytes).take();
}

std::vector<std::byte> kdump_sub_header(const ImageNotes& notes, const KdumpLayout& layout) {
  uint64_t notes_at = kPageBytes + kSubHeaderBytes;
  uint64_t text_at = notes.vmcoreinfo ? notes_at + notes.vmcoreinfo_offset : 0;
  uint64_t text_bytes = notes.vmcoreinfo ? notes.vmcoreinfo->text.size() : 0;
  uint64_t base = 0;
  if (notes.vmcoreinfo) base = notes.vmcoreinfo->number("NUMBER(phys_base)", 10).value_or(0);
  OrderedBytes out(notes.machine.is_big);
  out.u64(base).u32(1).u32(0).u64(0).u64(0).u64(text_at).u64(text_bytes);
  out.u64(notes_at).u64(notes.notes.size()).u64(0).u64(0).u64(0).u64(layout.last_page);
  return out.u64(layout.last_page).take();
}

// Writes what has been packed; keeps a piece's descriptors at a time.
class KdumpWriter {
 public:
  KdumpWriter(ImageJob& job, OutputFile& out, const KdumpLayout& layout, bool is_big)
      : job_(job),
        out_(out),
        layout_(layout),
        is_big_(is_big),
        descriptor_(layout.descriptor_offset()),
        data_(layout.data_offset() + kPageBytes) {}

  Status put(const PackedPages& packed) {
    uint64_t at = data_;
    OrderedBytes descriptors(is_big_);
    uint32_t flag = flag_of(job_.options.compression);
    for (const PackedPages::Page& page : packed.pages) {
      bool is_zero_page = page.bytes == 0;
      descriptors.u64(is_zero_page ? layout_.data_offset() : at);
      descriptors.u32(is_zero_page ? kPageBytes : page.bytes);
      descriptors.u32(page.is_packed ? flag : 0).u64(0);
      at += page.bytes;
    }
    if (auto put = out_.write_at(descriptor_, descriptors.bytes()); !put) return put;
    if (!packed.bytes.empty()) {
      if (auto put = out_.write_at(data_, packed.bytes.view()); !put) return put;
    }
    descriptor_ += descriptors.size();
    data_ = at;
    job_.info.absent_pages += packed.absent_pages;
    job_.info.memory_bytes += packed.pages.size() * kPageBytes;
    return ok();
  }

  // The page of zeros that all zero pages share, and the file's length.
  Status end() { return out_.resize(data_); }

 private:
  ImageJob& job_;
  OutputFile& out_;
  const KdumpLayout& layout_;
  bool is_big_;
  uint64_t descriptor_;
  uint64_t data_;
};

// Bits of the pages of each stretch, a MiB at a time.
Status put_bitmap(OutputFile& out, uint64_t offset, uint64_t bytes,
                  const std::vector<ImageStretch>& stretches) {
  constexpr uint64_t kBits = 8u << 20;
  std::vector<std::byte> bits(kBits / 8);
  uint64_t window = UINT64_MAX;  // number of that MiB
  auto flush = [&]() -> Status {
    if (window == UINT64_MAX) return ok();
    uint64_t at = window * bits.size();
    auto length = static_cast<size_t>(std::min<uint64_t>(bits.size(), bytes - at));
    return out.write_at(offset + at, std::span(bits).first(length));
  };
  for (const ImageStretch& stretch : stretches) {
    for (uint64_t page = stretch.address / kPageBytes; page < stretch.end() / kPageBytes;) {
      if (page / kBits != window) {
        if (auto put = flush(); !put) return put;
        window = page / kBits;
        std::ranges::fill(bits, std::byte{0});
      }
      auto bit = static_cast<size_t>(page % kBits);
      bits[bit / 8] |= std::byte{1} << bit % 8;
      ++page;
    }
  }
  return flush();
}

}  // namespace

Status write_kdump(ImageJob& job, OutputFile& out) {
  job.stretches = whole_pages(job.stretches);
  if (job.stretches.empty()) return Error{Errc::Usage, "no memory of the guest has an address"};
  KdumpLayout layout{.last_page = job.stretches.back().end() / kPageBytes};
  if (layout.last_page > kMostPages) {
    return Error{Errc::Unsupported, fmt::format("the memory ends at {:#x}, which a kdump file does "
                                                "not hold",
                                                job.stretches.back().end())};
  }
  auto notes = make_image_notes(job);
  if (!notes) return notes.error();
  for (const ImageStretch& stretch : job.stretches) layout.pages += stretch.length / kPageBytes;
  layout.sub_blocks = blocks_of(kSubHeaderBytes + notes->notes.size());
  layout.bitmap_blocks = blocks_of((layout.last_page + 7) / 8);
  if (auto put = out.write_at(0, kdump_header(job, *notes, layout)); !put) return put;
  if (auto put = out.write_at(kPageBytes, kdump_sub_header(*notes, layout)); !put) return put;
  auto put_notes = out.write_at(kPageBytes + kSubHeaderBytes, notes->notes);
  if (!put_notes) return put_notes;
  for (uint64_t copy : {uint64_t{0}, layout.bitmap_blocks}) {
    auto put = put_bitmap(out, layout.bitmap_offset() + copy * kPageBytes,
                          layout.bitmap_blocks * kPageBytes, job.stretches);
    if (!put) return put;
  }
  KdumpWriter writer(job, out, layout, notes->machine.is_big);
  auto compression = job.options.compression;
  auto work = [compression](const MemoryPiece& piece, PieceReader&) {
    return pack_pages(piece, compression);
  };
  auto take = [&](const PackedPages& packed) { return writer.put(packed); };
  auto done =
      for_each_piece<PackedPages>(job.file, job.map, job.stretches, job.options, work, take);
  return done ? writer.end() : done;
}

}  // namespace vmstream
