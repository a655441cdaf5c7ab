// SPDX-License-Identifier: MIT
#include "format/ram/ram_body.h"

#include <fmt/format.h>

#include <algorithm>

#include <vmstream/text.h>
#include "base/endian.h"
#include "format/ram/ram_records.h"
#include "format/ram/target_page.h"
#include "format/wire.h"

namespace vmstream {
namespace {

// A Step that asks for `bytes` in all from `at` on.
Step more(size_t at, size_t bytes) {
  return Step{at, bytes};
}

}  // namespace

void RamBody::configure(const Configuration& configuration) {
  guess_page_size(guess_page_bytes(configuration.machine));
  if (auto size = certain_page_bytes(&configuration, "")) set_page_size(*size);
  if (!configuration.capabilities) return;
  for (const std::string& name : *configuration.capabilities) {
    if (name == "x-ignore-shared") ignore_shared_ = true;
    if (name == "mapped-ram") mapped_ram_ = true;
  }
}

void RamBody::guess_page_size(uint32_t bytes) {
  if (page_size_known_) return;
  page_bytes_ = bytes;
  // A page smaller than the flags' range leaves some flags' bits to the offset.
  flag_mask_ = std::min<uint64_t>(bytes, wire::kRamFlagMask + 1) - 1;
}

void RamBody::set_page_size(uint32_t bytes) {
  page_size_known_ = false;
  guess_page_size(bytes);
  page_size_known_ = true;
}

Status RamBody::begin(const SectionHeader& header) {
  done_ = false;
  if (header.version_id != wire::kRamVersionFlat && header.version_id != wire::kRamVersionNamed) {
    return Error{Errc::Unsupported,
                 fmt::format("ram section has version {}, wanted 3 or 4", header.version_id),
                 header.offset};
  }
  version_ = header.version_id;
  return ok();
}

Result<Step> RamBody::step(const Window& window) {
  if (failure_) return *failure_;
  switch (at_) {
    case At::Records:
      return take_records(window);
    case At::BlockList:
      return take_block_entry(window);
    case At::MappedArea:
      break;
  }
  auto step = mapped_area_.step(window);
  if (step && mapped_area_.done()) leave_area();
  return step;
}

Status RamBody::skip(uint64_t count, uint64_t position) {
  auto skipped = mapped_area_.skip(count, position);
  if (skipped && mapped_area_.done()) leave_area();
  return skipped;
}

void RamBody::leave_area() {
  at_ = list_left_ == 0 ? At::Records : At::BlockList;
}

// The loop that the speed of a scan depends on: one turn a page, nothing allocated.
Result<Step> RamBody::take_records(const Window& window) {
  const std::byte* bytes = window.bytes.data();
  size_t at = 0;
  while (window.bytes.size() - at >= wire::kRamWordBytes) {
    auto word = load_be<uint64_t>(bytes + at);
    uint64_t kind = word & flag_mask_ & ~wire::kRamContinue;
    if (!is_page_kind(kind)) {
      auto mark = take_mark(window, at, word);
      return mark ? mark : fail_behind(at, mark.error());
    }
    Record record{.kind = kind, .start = at, .payload = at + wire::kRamWordBytes};
    auto taken = begin_page(window, record, word);
    if (taken && taken->wanted == 0) taken = take_page(window, record);
    if (!taken) return fail_behind(at, taken.error());
    if (taken->wanted > 0) return taken;
    at = taken->consumed;
  }
  return more(at, wire::kRamWordBytes);
}

// Lets the records in front of a bad one count as read before the error is told.
Result<Step> RamBody::fail_behind(size_t consumed, const Error& error) {
  if (consumed == 0) return error;
  failure_ = error;
  return Step{consumed, 0};
}

// The block's name, unless the record continues with the last one.
inline Result<Step> RamBody::begin_page(const Window& window, Record& record, uint64_t word) {
  page_.block_offset = word & ~flag_mask_;
  page_.continued = (word & wire::kRamContinue) != 0;
  if (version_ == wire::kRamVersionFlat) {
    if (page_.continued) {
      return malformed(window.offset + record.start, "a page without a block continues a block");
    }
    if (page_.block_offset < list_.total_bytes) return Step{};
    return malformed(window.offset + record.start,
                     fmt::format("page {:#x} is past the end of RAM ({:#x} bytes)",
                                 page_.block_offset, list_.total_bytes));
  }
  if (!page_.continued) {
    auto rest = window.bytes.subspan(record.payload);
    if (rest.empty()) return more(record.start, wire::kRamWordBytes + 1);
    auto length = std::to_integer<size_t>(rest[0]);
    if (rest.size() < 1 + length) return more(record.start, wire::kRamWordBytes + 1 + length);
    std::string_view name(reinterpret_cast<const char*>(rest.data()) + 1, length);
    uint64_t name_at = window.offset + record.payload;
    if (auto status = select_block(name, name_at); !status) return status.error();
    record.payload += 1 + length;
  }
  if (!block_) {
    return malformed(window.offset + record.start, "a page continues a block, but none was named");
  }
  if (mapped_ram_) {
    return malformed(window.offset + record.start, "a page record in a mapped-ram stream");
  }
  if (page_size_known_ && is_misplaced()) return misplaced(window.offset + record.start);
  if (page_.block_offset < block_->used_length) return Step{};
  return malformed(window.offset + record.start,
                   fmt::format("page {:#x} is past the end of block '{}' ({:#x} bytes)",
                               page_.block_offset, escape(block_->name), block_->used_length));
}

// To QEMU it is a page with flags that do not exist.
bool RamBody::is_misplaced() const {
  return (page_.block_offset & (page_bytes_ - 1)) != 0;
}

Error RamBody::misplaced(uint64_t at) const {
  return malformed(at, fmt::format("page {:#x} does not begin at a multiple of {} bytes",
                                   page_.block_offset, page_bytes_));
}

inline Result<Step> RamBody::take_page(const Window& window, const Record& record) {
  size_t left = window.bytes.size() - record.payload;
  size_t front = record.payload - record.start;
  const std::byte* payload = window.bytes.data() + record.payload;
  switch (record.kind) {
    case wire::kRamPage:
      if (!page_size_known_) {
        auto size = confirm_page_size(window.from(record.payload));
        if (!size) return size;
        if (size->wanted) return more(record.start, front + size->wanted);
        if (is_misplaced()) return misplaced(window.offset + record.start);
      }
      page_.kind = PageKind::Data;
      return emit_page(window, record, 0, page_bytes_);
    case wire::kRamZero:
      if (left < 1) return more(record.start, front + 1);
      page_.fill = std::to_integer<uint8_t>(*payload);
      page_.kind = page_.fill == 0 ? PageKind::Zero : PageKind::Fill;
      return emit_page(window, record, 1, 0);
    case wire::kRamXbzrle:
      if (left < 3) return more(record.start, front + 3);
      if (std::to_integer<uint8_t>(*payload) != wire::kXbzrleEncoding) {
        return malformed(window.offset + record.payload,
                         fmt::format("xbzrle encoding is {:#04x}, wanted {:#04x}",
                                     std::to_integer<uint8_t>(*payload), wire::kXbzrleEncoding));
      }
      page_.kind = PageKind::Xbzrle;
      return emit_page(window, record, 3, load_be<uint16_t>(payload + 1));
    default:
      break;
  }
  if (left < 4) return more(record.start, front + 4);
  page_.kind = PageKind::Compressed;
  return emit_page(window, record, 4, load_be<uint32_t>(payload));
}

// Shows the page whose payload of `length` bytes stands `skip` bytes behind the record's front.
inline Result<Step> RamBody::emit_page(const Window& window, const Record& record, size_t skip,
                                       size_t length) {
  uint64_t longest = std::max<uint64_t>(2 * page_bytes_, wire::kMaxShortPayloadBytes);
  if (length > longest) {
    return malformed(window.offset + record.payload,
                     fmt::format("{} page of {} bytes, at most {} are possible",
                                 name_of(page_.kind), length, longest));
  }
  size_t payload = record.payload + skip;
  if (window.bytes.size() - record.payload < skip + length) {
    return more(record.start, payload - record.start + length);
  }
  page_.block = version_ == wire::kRamVersionFlat ? nullptr : block_;
  page_.offset = window.offset + record.start;
  page_.payload_offset = window.offset + payload;
  page_.size = page_bytes_;
  page_.payload = window.bytes.subspan(payload, length);
  if (auto status = visitor_.on_page(page_); !status) return status.error();
  return Step{payload + length, 0};
}

Result<Step> RamBody::take_mark(const Window& window, size_t at, uint64_t word) {
  size_t behind = at + wire::kRamWordBytes;
  auto mark = RamMark::EndOfSlice;
  if ((word & flag_mask_) == wire::kRamMemSize) {
    list_ = RamBlockList{window.offset + at, word & ~flag_mask_, {}};
    list_left_ = list_.total_bytes;
    index_.clear();
    block_ = nullptr;
    at_ = At::BlockList;
    if (version_ == wire::kRamVersionFlat || list_left_ == 0) {
      if (auto status = finish_block_list(); !status) return status.error();
    }
    return Step{behind, 0};
  }
  // What QEMU takes for flags: all bits below the page size, the one that names no block left out.
  uint64_t flags = word & (page_bytes_ - 1) & ~wire::kRamContinue;
  if (flags == wire::kRamEos) {
    done_ = true;
  } else if (flags == wire::kRamMultifdFlush) {
    mark = RamMark::MultifdFlush;
  } else if (flags == wire::kRamHook) {
    mark = RamMark::Hook;
  } else {
    return malformed(window.offset + at, fmt::format("{:#x} is no ram record", word));
  }
  if (word != flags) {
    auto seen = visitor_.on_problem(
        {.offset = window.offset + at,
         .message = fmt::format("ram record {:#x} has an offset, but is no page", word),
         .effect = LoadEffect::Ignored});
    if (!seen) return seen.error();
  }
  if (auto status = visitor_.on_ram_mark(mark, window.offset + at); !status) return status.error();
  return Step{behind, 0};
}

Result<Step> RamBody::take_block_entry(const Window& window) {
  ByteReader in(window.bytes, window.offset);
  RamBlock block = read_block_entry(
      in, {.ignore_shared = ignore_shared_, .mapped_ram = mapped_ram_, .bytes_left = list_left_});
  if (!in.ok()) return break_off_list(in, window);
  if (list_.blocks.size() == limits_.ram_blocks) {
    return Error{Errc::Unsupported,
                 fmt::format("more than {} RAM blocks are listed, the limit", limits_.ram_blocks),
                 window.offset};
  }
  if (!index_.emplace(block.name, list_.blocks.size()).second) {
    return malformed(window.offset,
                     fmt::format("RAM block '{}' is listed twice", escape(block.name)));
  }
  list_left_ -= block.used_length;
  list_.blocks.push_back(std::move(block));
  size_t consumed = consumed_by(in, window);
  if (!mapped_ram_) {
    if (list_left_ > 0) return Step{consumed, 0};
    if (auto status = finish_block_list(); !status) return status.error();
    return Step{consumed, 0};
  }
  at_ = At::MappedArea;
  // An entry that is refused is not told of: its bytes are lost.
  if (auto status = mapped_area_.begin(list_.blocks.back(), in.offset()); !status) {
    effect_of_fault_ =
        is_believed(list_.blocks.back(), in.offset()) ? LoadEffect::Ignored : LoadEffect::Refused;
    return status.error();
  }
  if (auto status = visitor_.on_ram_blocks(list_); !status) return status.error();
  if (auto size = list_.blocks.back().mapped->page_size; size != 0) {
    set_page_size(static_cast<uint32_t>(size));
  }
  return Step{consumed, 0};
}

// The entries in front of a bad one are shown: QEMU may have refused one of them.
Result<Step> RamBody::break_off_list(const ByteReader& in, const Window& window) {
  auto step = short_read(in, window);
  bool is_bad = !step && step.error().code == Errc::Malformed;
  if (!is_bad || mapped_ram_ || list_.blocks.empty()) return step;
  if (auto status = visitor_.on_ram_blocks(list_); !status) return status.error();
  return step;
}

// QEMU believes a mapped-ram header whose pages stand where it goes on reading, and whose page size
// is not 0. `position` is behind the header.
bool RamBody::is_believed(const RamBlock& block, uint64_t position) const {
  constexpr uint64_t kAlignment = 1u << 20;
  const MappedRam& mapped = *block.mapped;
  position += mapped_area_.base().value_or(0);  // in the file
  // What stands behind the end of the file cannot be read; how long that is nobody knows yet.
  uint64_t most_file = 4 * list_.total_bytes + 64 * kAlignment;
  uint64_t bitmap = block.used_length / page_bytes_ / 8 + sizeof(uint64_t);
  return mapped.page_size != 0 && mapped.bitmap_offset < most_file &&
         mapped.pages_offset % kAlignment == 0 && mapped.pages_offset >= position &&
         mapped.pages_offset - position < bitmap + kAlignment;
}

Status RamBody::finish_block_list() {
  at_ = At::Records;
  return visitor_.on_ram_blocks(list_);
}

Status RamBody::select_block(std::string_view name, uint64_t at) {
  if (block_ && block_->name == name) return ok();
  block_ = find_block(name);
  if (block_) return ok();
  return malformed(at, fmt::format("page of block '{}', which is not listed", escape(name)));
}

const RamBlock* RamBody::find_block(std::string_view name) const {
  auto found = index_.find(name);
  return found == index_.end() ? nullptr : &list_.blocks[found->second];
}

// Chooses the first size behind which a record stands. `window` begins with the page.
Result<Step> RamBody::confirm_page_size(const Window& window) {
  std::array<uint32_t, kTargetPageSizes.size() + 1> sizes{page_bytes_};
  std::ranges::copy(kTargetPageSizes, sizes.begin() + 1);
  constexpr size_t kLookAhead = wire::kRamWordBytes + 256;
  for (uint32_t size : sizes) {
    auto found = Plausible::Unknown;
    if (window.bytes.size() >= size) found = check_record(window.from(size), size);
    if (found == Plausible::Unknown && !window.last) {
      size_t at_least = size + wire::kRamWordBytes;
      return more(0, window.bytes.size() < at_least ? at_least : size + kLookAhead);
    }
    if (found == Plausible::Yes) {
      set_page_size(size);
      return Step{};
    }
  }
  set_page_size(page_bytes_);
  return Step{};
}

// Whether a record of this section may begin at the front of `window`, were pages this long.
RamBody::Plausible RamBody::check_record(const Window& window, uint64_t page_bytes) const {
  if (window.bytes.size() < wire::kRamWordBytes) return Plausible::Unknown;
  auto word = load_be<uint64_t>(window.bytes.data());
  if (word == wire::kRamEos || word == wire::kRamMultifdFlush) return Plausible::Yes;
  uint64_t mask = std::min<uint64_t>(page_bytes, wire::kRamFlagMask + 1) - 1;
  uint64_t offset = word & ~mask;
  if (!is_page_kind(word & mask & ~wire::kRamContinue) || offset % page_bytes != 0) {
    return Plausible::No;
  }
  if (version_ == wire::kRamVersionFlat) {
    return offset < list_.total_bytes ? Plausible::Yes : Plausible::No;
  }
  const RamBlock* block = block_;
  if ((word & wire::kRamContinue) == 0) {
    ByteReader in(window.bytes.subspan(wire::kRamWordBytes));
    auto name = in.counted_string("name");
    if (!in.ok()) return Plausible::Unknown;
    block = find_block(name);
  }
  return block && offset < block->used_length ? Plausible::Yes : Plausible::No;
}

void RamBody::take_up() {
  effect_of_fault_ = LoadEffect::Refused;
  failure_.reset();
  done_ = false;
  list_left_ = 0;
  at_ = At::Records;
}

RamBody::Plausible RamBody::check_row(Window window, const SectionTable& table) const {
  constexpr int kSureRow = 4;
  constexpr int kCutRow = 2;  // where the input ends behind it
  if (version_ == 0 || mapped_ram_) return Plausible::No;
  std::optional<uint64_t> last_offset;
  for (int links = 0; links < kSureRow; ++links) {
    auto found = check_record(window, page_bytes_);
    size_t length = found == Plausible::Yes ? record_length(window) : 0;
    if (found == Plausible::Unknown || length > window.bytes.size()) {
      if (!window.last) return Plausible::Unknown;
      return links >= kCutRow ? Plausible::Yes : Plausible::No;
    }
    if (found == Plausible::No) return found;
    auto word = load_be<uint64_t>(window.bytes.data());
    window = window.from(length);
    if (word == wire::kRamEos) return check_end_of_slice(window, table);
    if (word == wire::kRamMultifdFlush) continue;
    uint64_t offset = word & ~flag_mask_;
    bool named = version_ == wire::kRamVersionNamed && (word & wire::kRamContinue) == 0;
    if (!named && last_offset && offset <= *last_offset) return Plausible::No;
    last_offset = offset;
  }
  return Plausible::Yes;
}

RamBody::Plausible RamBody::check_end_of_slice(const Window& behind,
                                               const SectionTable& table) const {
  ByteReader in(behind.bytes);
  auto type = in.be<uint8_t>("type");
  if (type == static_cast<uint8_t>(SectionType::Footer)) {
    auto id = in.be<uint32_t>("section id");
    if (!in.ok()) return behind.last ? Plausible::No : Plausible::Unknown;
    return table.knows(id) ? Plausible::Yes : Plausible::No;
  }
  NextRecord next = table.look(behind);
  if (next == NextRecord::Unknown) return behind.last ? Plausible::No : Plausible::Unknown;
  return next == NextRecord::No || next == NextRecord::BareEnd ? Plausible::No : Plausible::Yes;
}

// Of a record that check_record() found plausible. Larger than the window when that is too short.
size_t RamBody::record_length(const Window& window) const {
  ByteReader in(window.bytes);
  auto word = in.be<uint64_t>("record");
  uint64_t kind = word & flag_mask_ & ~wire::kRamContinue;
  if (!is_page_kind(kind)) return wire::kRamWordBytes;
  if (version_ == wire::kRamVersionNamed && (word & wire::kRamContinue) == 0)
    in.counted_string("name");
  size_t payload = page_bytes_;
  if (kind == wire::kRamZero) payload = 1;
  if (kind == wire::kRamXbzrle) {
    in.be<uint8_t>("encoding");
    payload = in.be<uint16_t>("length");
  }
  if (kind == wire::kRamCompressPage) payload = in.be<uint32_t>("length");
  if (!in.ok()) return window.bytes.size() + 1;
  return static_cast<size_t>(in.offset()) + payload;
}

}  // namespace vmstream
