// SPDX-License-Identifier: MIT
#include "state/index_tables.h"

#include <array>
#include <bit>
#include <map>
#include <utility>

#include "state/table_coding.h"

namespace vmstream {
namespace {

constexpr uint8_t kFooterFlag = 0x01;
constexpr uint8_t kPackagedFlag = 0x02;
constexpr uint8_t kRepeatedFlag = 0x04;
constexpr int kBoundShift = 3;

bool is_section(SectionType type) {
  return type >= SectionType::Start && type <= SectionType::Full;
}

bool has_name(SectionType type) {
  return type == SectionType::Start || type == SectionType::Full;
}

bool is_record_type(uint8_t type) {
  return type <= static_cast<uint8_t>(SectionType::Command) &&
         static_cast<SectionType>(type) != SectionType::Subsection;
}

// Sums of numbers from the table that must not pass 64 bits.
uint64_t checked_add(TableReader& in, uint64_t a, uint64_t b) {
  uint64_t sum = 0;
  if (__builtin_add_overflow(a, b, &sum)) in.fail("holds offsets of more than 64 bits");
  return sum;
}

uint64_t checked_multiply(TableReader& in, uint64_t a, uint64_t b) {
  uint64_t product = 0;
  if (__builtin_mul_overflow(a, b, &product)) in.fail("holds offsets of more than 64 bits");
  return product;
}

}  // namespace

Bytes write_blocks(const BlockTable& table) {
  TableWriter out;
  out.number(table.size());
  uint64_t file_end = 0;
  uint32_t last_length = 0;
  for (size_t i = 0; i < table.size(); ++i) {
    PackedBlock block = table[i];
    out.number(block.file_offset - file_end);
    out.difference(block.plain_length, last_length);
    out.number(block.packed_length);
    out.number(block.check);
    last_length = block.plain_length;
    file_end = block.file_offset + block.packed_length;
  }
  out.number(table.file_length() - file_end);
  return out.take();
}

Result<BlockTable> parse_blocks(std::span<const std::byte> bytes) {
  TableReader in(kBlocksPart, bytes);
  BlockTable table;
  size_t count = in.count(4);
  uint64_t plain_length = 0;
  for (size_t i = 0; i < count && in.ok(); ++i) {
    bool fits = table.append_gap(in.number());
    plain_length = in.difference(plain_length);
    uint64_t packed_length = in.number_up_to(UINT32_MAX, "a block's length");
    uint64_t check = in.number_up_to(UINT32_MAX, "a block's checksum");
    fits = fits && plain_length <= UINT32_MAX &&
           table.append(static_cast<uint32_t>(plain_length), static_cast<uint32_t>(packed_length),
                        static_cast<uint32_t>(check));
    if (!fits) in.fail("holds lengths that cannot be");
  }
  if (!table.append_gap(in.number())) in.fail("holds lengths that cannot be");
  in.expect_end();
  if (!in.ok()) return in.error();
  return table;
}

Bytes write_records(const std::vector<IndexedRecord>& records) {
  TableWriter out;
  out.number(records.size());
  uint64_t end = 0;
  for (const IndexedRecord& record : records) {
    auto flags = static_cast<unsigned>(record.bounded_by) << kBoundShift;
    if (record.footer) flags |= kFooterFlag;
    if (record.packaged) flags |= kPackagedFlag;
    if (record.count > 1) flags |= kRepeatedFlag;
    out.byte(static_cast<uint8_t>(record.type));
    out.byte(static_cast<uint8_t>(flags));
    out.number(record.offset - end);
    out.number(record.length);
    if (record.count > 1) out.number(record.count);
    if (is_section(record.type)) {
      out.number(record.section_id);
      if (has_name(record.type)) {
        out.text(record.idstr);
        out.number(record.instance_id);
        out.number(record.version_id);
      }
      out.number(record.body_length);
      out.number(record.page_records);
    } else if (record.type == SectionType::Command) {
      out.number(static_cast<uint64_t>(record.command));
    }
    end = record.end();
  }
  return out.take();
}

namespace {

// The names of the sections that PART and END belong to, by section id.
using Starts = std::map<uint32_t, IndexedRecord>;

void read_section(TableReader& in, IndexedRecord& record, Starts& starts) {
  record.section_id = static_cast<uint32_t>(in.number_up_to(UINT32_MAX, "a section id"));
  if (has_name(record.type)) {
    record.idstr = in.text();
    record.instance_id = static_cast<uint32_t>(in.number_up_to(UINT32_MAX, "an instance id"));
    record.version_id = static_cast<uint32_t>(in.number_up_to(UINT32_MAX, "a version id"));
    if (record.type == SectionType::Start) starts[record.section_id] = record;
  } else if (auto start = starts.find(record.section_id); start != starts.end()) {
    record.idstr = start->second.idstr;
    record.instance_id = start->second.instance_id;
    record.version_id = start->second.version_id;
  }
  record.body_length = in.number_up_to(record.length, "a body's length");
  record.page_records = in.number();
}

IndexedRecord read_record(TableReader& in, uint64_t end, Starts& starts) {
  IndexedRecord record;
  uint8_t type = in.byte();
  if (!is_record_type(type)) in.fail("holds a record of no known type");
  record.type = static_cast<SectionType>(type);
  unsigned flags = in.byte();
  record.footer = (flags & kFooterFlag) != 0;
  record.packaged = (flags & kPackagedFlag) != 0;
  unsigned bound = flags >> kBoundShift;
  if (bound > static_cast<unsigned>(BoundedBy::NextHeader)) in.fail("holds an unknown bound");
  record.bounded_by = static_cast<BoundedBy>(bound);
  record.offset = checked_add(in, end, in.number());
  record.length = in.number();
  if ((flags & kRepeatedFlag) != 0) record.count = in.number();
  if (record.length == 0 || record.count == 0) in.fail("holds an empty record");
  checked_add(in, record.offset, checked_multiply(in, record.length, record.count));
  if (is_section(record.type)) {
    read_section(in, record, starts);
  } else if (record.type == SectionType::Command) {
    record.command = static_cast<CommandType>(in.number_up_to(UINT16_MAX, "a command"));
  }
  return record;
}

}  // namespace

Result<std::vector<IndexedRecord>> parse_records(std::span<const std::byte> bytes) {
  TableReader in(kRecordsPart, bytes);
  std::vector<IndexedRecord> records;
  Starts starts;
  size_t count = in.count(4);
  if (count > kMostIndexedRecords) in.fail("holds too many records");
  uint64_t end = 0;
  for (size_t i = 0; i < count && in.ok(); ++i) {
    records.push_back(read_record(in, end, starts));
    end = records.back().end();
  }
  in.expect_end();
  if (!in.ok()) return in.error();
  return records;
}

namespace {

constexpr int kKindBits = 3;
constexpr size_t kKinds = static_cast<size_t>(PageKind::Compressed) + 1;
constexpr uint64_t kMostPage = uint64_t{1} << 56;  // of 256 bytes each

// What the next run of a block is compared with: as a rule it begins where the last one ended, in
// memory and in the stream, and has the stride of the last of its kind.
struct Neighbour {
  uint64_t page_end = 0;
  uint64_t place_end = 0;
  std::array<uint64_t, kKinds> strides{};

  void move_behind(const PageRun& run) {
    page_end = run.end();
    place_end = run.place.offset() + uint64_t{run.count} * run.stride;
    strides[static_cast<size_t>(run.place.kind())] = run.stride;
  }
};

void write_run(TableWriter& out, const PageRun& run, Neighbour& last) {
  auto kind = static_cast<size_t>(run.place.kind());
  out.number(run.page - last.page_end);
  out.number(uint64_t{run.count} << kKindBits | kind);
  if (run.place.kind() == PageKind::Fill) out.byte(run.place.fill());
  out.difference(run.place.offset(), last.place_end);
  out.difference(run.stride, last.strides[kind]);
  last.move_behind(run);
}

PageKind read_kind(TableReader& in, uint64_t bits) {
  if (bits < kKinds) return static_cast<PageKind>(bits);
  in.fail("holds a page of no known kind");
  return PageKind::Zero;
}

uint64_t read_offset(TableReader& in, uint64_t from) {
  uint64_t offset = in.difference(from);
  if (offset <= PagePlace::kMostOffset) return offset;
  in.fail("holds an offset that no stream reaches");
  return 0;
}

PageRun read_run(TableReader& in, Neighbour& last) {
  PageRun run;
  run.page = checked_add(in, last.page_end, in.number());
  uint64_t head = in.number();
  PageKind kind = read_kind(in, head & ((1u << kKindBits) - 1));
  uint64_t count = head >> kKindBits;
  uint8_t fill = kind == PageKind::Fill ? in.byte() : uint8_t{0};
  uint64_t offset = read_offset(in, last.place_end);
  uint64_t stride = in.difference(last.strides[static_cast<size_t>(kind)]);
  if (count == 0 || count > UINT32_MAX || stride > UINT32_MAX || offset == 0 ||
      run.page > kMostPage - count || offset + count * stride > PagePlace::kMostOffset) {
    in.fail("holds a run of pages that cannot be");
  }
  run.count = static_cast<uint32_t>(count);
  run.stride = static_cast<uint32_t>(stride);
  if (in.ok()) {
    run.place = PagePlace(kind, fill, offset);
    last.move_behind(run);
  }
  return run;
}

}  // namespace

Bytes write_pages(const PageMap& map) {
  TableWriter out;
  out.number(map.page_size());
  out.number(map.block_count());
  for (size_t block = 0; block < map.block_count(); ++block) {
    Neighbour last;
    out.number(map.runs(block).size());
    for (const PageRun& run : map.runs(block)) write_run(out, run, last);
  }
  return out.take();
}

Bytes write_deltas(const PageMap& map) {
  TableWriter out;
  out.number(map.deltas().size());
  uint64_t offset = 0;
  for (const PageDelta& delta : map.deltas()) {
    out.number(delta.offset - offset);
    out.byte(static_cast<uint8_t>(delta.before.kind()));
    if (delta.before.kind() == PageKind::Fill) out.byte(delta.before.fill());
    out.number(delta.offset - delta.before.offset());
    offset = delta.offset;
  }
  return out.take();
}

namespace {

Result<std::deque<PageDelta>> parse_deltas(std::span<const std::byte> bytes) {
  std::deque<PageDelta> deltas;
  if (bytes.empty()) return deltas;
  TableReader in(kDeltasPart, bytes);
  size_t count = in.count(3);
  if (count > kMostRuns) in.fail("holds too many deltas");
  uint64_t offset = 0;
  for (size_t i = 0; i < count && in.ok(); ++i) {
    uint64_t distance = in.number();
    offset = checked_add(in, offset, distance);
    PageKind kind = read_kind(in, in.byte());
    uint8_t fill = kind == PageKind::Fill ? in.byte() : uint8_t{0};
    uint64_t back = in.number();
    if (distance == 0 || back == 0 || back > offset || offset > PagePlace::kMostOffset) {
      in.fail("holds a delta that is not behind its page");
    }
    if (in.ok()) deltas.push_back({offset, PagePlace(kind, fill, offset - back)});
  }
  in.expect_end();
  if (!in.ok()) return in.error();
  return deltas;
}

}  // namespace

Result<PageMap> parse_pages(std::span<const std::byte> pages, std::span<const std::byte> deltas) {
  TableReader in(kPagesPart, pages);
  uint64_t page_size = in.number_up_to(1u << 20, "the page size");
  size_t block_count = in.count(1);
  if (block_count > kMostIndexedBlocks) in.fail("holds too many RAM blocks");
  if (!in.ok()) return in.error();
  std::vector<PageRuns> blocks(block_count);
  size_t runs = 0;
  for (PageRuns& block : blocks) {
    Neighbour last;
    size_t count = in.count(4);
    if (count > kMostRuns - runs) in.fail("holds too many runs of pages");
    runs += count;
    for (size_t i = 0; i < count && in.ok(); ++i) block.push_back(read_run(in, last));
    if (!in.ok()) break;
  }
  in.expect_end();
  bool is_size = std::has_single_bit(page_size) || (page_size == 0 && runs == 0);
  if (in.ok() && !is_size) in.fail("has a page size that is no power of two");
  if (!in.ok()) return in.error();
  auto before = parse_deltas(deltas);
  if (!before) return before.error();
  return PageMap(static_cast<uint32_t>(page_size), std::move(blocks), std::move(*before));
}

}  // namespace vmstream
