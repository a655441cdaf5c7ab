// SPDX-License-Identifier: MIT
#include <vmstream/partial_reading.h>

#include <algorithm>
#include <numeric>
#include <vector>

#include <vmstream/ram_image.h>
#include "analysis/summary/qemu_clues.h"
#include "format/records/records.h"
#include "format/wire.h"

namespace vmstream {
namespace {

bool is_section(SectionType type) {
  return type == SectionType::Start || type == SectionType::Part || type == SectionType::End ||
         type == SectionType::Full;
}

bool is_slice(const IndexedRecord& record) {
  return record.type == SectionType::Part || record.type == SectionType::End;
}

// The RAM's slices lie in all blocks of a compressed file, and each block costs a millisecond. Of
// the first and the last slice the blocks are needed for other records as well.
bool stands_for_slices(uint64_t slice, uint64_t slices) {
  return slice == 0 || slice == slices / 2 || slice + 1 == slices;
}

SectionHeader header_of(const IndexedRecord& record, uint64_t number) {
  SectionHeader header{.type = record.type,
                       .offset = record.offset + number * record.length,
                       .section_id = record.section_id,
                       .idstr = record.idstr,
                       .instance_id = record.instance_id,
                       .version_id = record.version_id};
  header.body_offset =
      header.offset + record.length - record.body_length - (record.footer ? wire::kFooterBytes : 0);
  return header;
}

// The bytes that a record must begin with.
Bytes front_of(const IndexedRecord& record) {
  Bytes front;
  if (is_section(record.type)) {
    if (!append_section_header(front, header_of(record, 0))) front.clear();
    return front;
  }
  front.push_back(static_cast<std::byte>(record.type));
  if (record.type == SectionType::Command) {
    append_be(front, static_cast<uint16_t>(record.command));
  }
  return front;
}

bool begins_at(RandomSource& plain, uint64_t offset, const Bytes& front) {
  Bytes found(front.size());
  return !front.empty() && plain.read_at(offset, found) && found == front;
}

bool covers_stream(const StateIndex& index) {
  uint64_t end = wire::kHeaderBytes;
  for (const IndexedRecord& record : *index.records) {
    if (record.offset != end || record.count == 0 || record.length == 0) return false;
    if (end > index.facts.stream_bytes) return false;
    if (record.count > (index.facts.stream_bytes - end) / record.length) return false;
    end = record.end();
  }
  return end == index.facts.stream_bytes && end <= index.facts.plain_bytes;
}

StreamRecord to_stream_record(const IndexedRecord& record, uint64_t number) {
  StreamRecord result{.kind = RecordKind::Section,
                      .offset = record.offset + number * record.length,
                      .length = record.length};
  result.packaged = record.packaged;
  if (is_section(record.type)) {
    result.section = header_of(record, number);
    result.body_length = record.body_length;
    result.footer = record.footer;
    result.bounded_by = record.bounded_by;
    result.page_records = record.page_records;
  } else if (record.type == SectionType::Command) {
    result.kind = RecordKind::Command;
    result.command = record.command;
  } else {
    result.kind = record.type == SectionType::Configuration   ? RecordKind::Configuration
                  : record.type == SectionType::Vmdescription ? RecordKind::Vmdesc
                                                              : RecordKind::Eof;
  }
  return result;
}

uint64_t records_of(const IndexedBlock& block) {
  return std::accumulate(block.records.begin(), block.records.end(), uint64_t{0});
}

// Whether each page was sent once, in the order of the blocks and within them of the pages.
bool is_one_pass(const StateIndex& index) {
  uint64_t last_place = 0;
  for (size_t number = 0; number < index.pages->block_count(); ++number) {
    const IndexedBlock& block = index.facts.blocks[number];
    if (block.block.mapped || records_of(block) != index.pages->count_pages(number)) return false;
    for (const PageRun& run : index.pages->runs(number)) {
      if (run.place.offset() <= last_place) return false;
      last_place = run.place_of(run.end() - 1).offset();
    }
  }
  return true;
}

RamBlockList list_of(const StateFacts& facts) {
  RamBlockList list;
  list.total_bytes = facts.ram_bytes;
  for (const IndexedBlock& block : facts.blocks) list.blocks.push_back(block.block);
  return list;
}

void add_page_counts(StreamSummary& summary, const StateFacts& facts) {
  summary.pages = {};
  for (size_t number = 0; number < facts.blocks.size(); ++number) {
    PageCounts& counts = summary.blocks[number].pages;
    counts = {};
    if (facts.blocks[number].account) {
      summary.blocks[number].absent_pages = facts.blocks[number].account->absent;
    }
    for (PageKind kind : PageCounts::kKinds) {
      uint64_t records = facts.blocks[number].records_of(kind);
      counts.add(kind, records);
      summary.pages.add(kind, records);
      if (records > 0) add_page_clues({.idstr = "ram"}, {.kind = kind}, summary.qemu);
    }
  }
}

void add_records(StreamSummary& summary, const std::vector<IndexedRecord>& records) {
  summary.commands = 0;
  for (IterableSummary& iterable : summary.iterables) iterable.sections = iterable.bytes = 0;
  for (const IndexedRecord& record : records) {
    if (record.type == SectionType::Command) summary.commands += record.count;
    if (!is_section(record.type) || record.type == SectionType::Full) continue;
    for (IterableSummary& iterable : summary.iterables) {
      if (iterable.start.section_id != record.section_id) continue;
      iterable.sections += record.count;
      iterable.bytes += record.count * record.length;
      iterable.ended |= record.type == SectionType::End;
    }
  }
}

}  // namespace

bool confirm_records(const StateIndex& index, RandomSource* plain) {
  const StateFacts& facts = index.facts;
  if (!index.records || facts.stream_version != wire::kSectionedVersion || facts.problems != 0 ||
      !facts.complete || !covers_stream(index)) {
    return false;
  }
  if (plain == nullptr) return true;
  auto slices = static_cast<uint64_t>(std::ranges::count_if(*index.records, is_slice));
  uint64_t slice = 0;
  return std::ranges::all_of(*index.records, [&](const IndexedRecord& record) {
    if (is_slice(record) && !stands_for_slices(slice++, slices)) return true;
    Bytes front = front_of(record);
    return begins_at(*plain, record.offset, front) &&
           (record.count == 1 || begins_at(*plain, record.end() - record.length, front));
  });
}

bool confirm_pages(const StateIndex& index, RandomSource* plain) {
  if (!index.pages) return false;
  if (plain == nullptr) return true;
  auto image = RamImage::make(*plain, index);
  if (!image) return false;
  std::vector<std::byte> page(image->page_size());
  auto is_there = [&](size_t block, const PageRun& run, uint64_t number) {
    return number < run.end() && image->read(block, number, page);
  };
  for (size_t block = 0; block < index.pages->block_count(); ++block) {
    const PageRuns& runs = index.pages->runs(block);
    if (runs.empty()) continue;
    const PageRun& middle = runs[runs.size() / 2];
    bool all = is_there(block, runs.front(), runs.front().page) &&
               is_there(block, middle, middle.page + middle.count / 2) &&
               is_there(block, runs.back(), runs.back().end() - 1);
    if (!all) return false;
  }
  return true;
}

Status list_records(const StateIndex& index, const RecordLister::Receiver& receiver) {
  auto told = receiver({.kind = RecordKind::Header, .offset = 0, .length = wire::kHeaderBytes});
  for (const IndexedRecord& record : *index.records) {
    for (uint64_t number = 0; told && number < record.count; ++number) {
      told = receiver(to_stream_record(record, number));
    }
  }
  uint64_t trailing = index.facts.plain_bytes - index.facts.stream_bytes;
  if (!told || trailing == 0) return told;
  return receiver(
      {.kind = RecordKind::Trailing, .offset = index.facts.stream_bytes, .length = trailing});
}

namespace {

struct Stretch {
  uint64_t offset = 0;
  uint64_t length = 0;
};

// Those that are to be read, in order; neighbours are one.
std::vector<Stretch> stretches_of(const StateIndex& index, const SliceChoice& wanted) {
  std::vector<Stretch> stretches{{0, wire::kHeaderBytes}};
  for (const IndexedRecord& record : *index.records) {
    if (is_slice(record) && (!wanted || !wanted(header_of(record, 0)))) continue;
    uint64_t length = record.end() - record.offset;
    Stretch& last = stretches.back();
    if (last.offset + last.length == record.offset) {
      last.length += length;
    } else {
      stretches.push_back({record.offset, length});
    }
  }
  return stretches;
}

}  // namespace

std::optional<StreamEnds> read_records(const StateIndex& index, RandomSource& plain,
                                       const SliceChoice& wanted) {
  constexpr uint64_t kMostBytes = 64u << 20;
  if (std::ranges::any_of(*index.records, &IndexedRecord::packaged) ||
      index.facts.plain_bytes != index.facts.stream_bytes) {
    return std::nullopt;
  }
  StreamEnds parts;
  uint64_t bytes_left = kMostBytes;
  for (const Stretch& stretch : stretches_of(index, wanted)) {
    if (stretch.length > bytes_left) return std::nullopt;
    bytes_left -= stretch.length;
    StreamPiece piece{stretch.offset, std::vector<std::byte>(stretch.length)};
    if (!plain.read_at(piece.offset, piece.bytes)) return std::nullopt;
    parts.pieces.push_back(std::move(piece));
  }
  return parts;
}

std::optional<RamUsage> usage_from(const StateIndex& index) {
  const StateFacts& facts = index.facts;
  bool simple = index.pages && facts.complete && facts.problems == 0 && !facts.postcopy &&
                facts.ram_version == wire::kRamVersionNamed && facts.page_record_bytes > 0 &&
                index.pages->block_count() == facts.blocks.size();
  if (!simple || !is_one_pass(index)) return std::nullopt;
  RamUsageCollector collector;
  RamBlockList list = list_of(facts);
  if (!collector.on_ram_blocks(list)) return std::nullopt;
  std::vector<std::byte> content(index.pages->page_size());
  for (size_t number = 0; number < list.blocks.size(); ++number) {
    for (const PageRun& run : index.pages->runs(number)) {
      Page page{.block = &list.blocks[number],
                .kind = run.place.kind(),
                .size = index.pages->page_size()};
      if (page.kind == PageKind::Data) page.payload = content;
      for (uint64_t i = run.page; i < run.end(); ++i) {
        page.block_offset = i * page.size;
        if (!collector.on_page(page)) return std::nullopt;
      }
    }
  }
  RamUsage usage = collector.finish();
  if (usage.passes.size() != 1) return std::nullopt;
  usage.passes[0].bytes = facts.page_record_bytes;
  return usage;
}

bool fill_in(StreamSummary& summary, const StateIndex& index) {
  const StateFacts& facts = index.facts;
  auto name_of_indexed = [](const IndexedBlock& block) { return block.block.name; };
  auto name_of_summed = [](const RamBlockSummary& block) { return block.block.name; };
  bool agrees =
      facts.complete && facts.problems == 0 && index.records &&
      std::ranges::equal(facts.blocks, summary.blocks, {}, name_of_indexed, name_of_summed);
  if (!agrees) return false;
  add_page_counts(summary, facts);
  add_records(summary, *index.records);
  summary.ram_read = true;
  return true;
}

}  // namespace vmstream
