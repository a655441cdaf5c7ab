// SPDX-License-Identifier: MIT
#include <vmstream/stream_summary.h>

#include <algorithm>
#include <numeric>
#include <unordered_map>
#include <utility>

#include "analysis/summary/guest_reader.h"
#include "analysis/summary/qemu_clues.h"
#include "format/ram/list_progress.h"

#include <vmstream/text.h>
#include <vmstream/vmdesc.h>

namespace vmstream {

uint64_t PageCounts::total() const {
  return std::accumulate(counts_.begin(), counts_.end(), uint64_t{0});
}

uint64_t count_absent_pages(const RamBlock& block, uint64_t records, uint64_t page_size) {
  if (page_size == 0) return 0;
  uint64_t pages = block.used_length / page_size;
  return pages - std::min(pages, records);
}

uint64_t count_absent_pages(const RamBlockSummary& summary, uint64_t page_size) {
  return std::max(summary.absent_pages,
                  count_absent_pages(summary.block, summary.pages.total(), page_size));
}

struct SummaryCollector::State {
  StreamSummary summary;
  SectionHeader section;                                   // the one that is open
  std::unordered_map<uint32_t, size_t> iterables;          // section id -> place in summary
  std::unordered_map<std::string, size_t> blocks_by_name;  // -> place in summary.blocks
  ListProgress list;
  std::unordered_map<const RamBlock*, size_t> known_blocks;  // the parser's blocks, as they appear
  const RamBlock* last_block = nullptr;                      // pages of one block come in runs
  size_t last_index = 0;
  std::optional<uint32_t> data_page_size;  // as found in the first whole page
  GuestReader guest;

  PageCounts* counts_of(const RamBlock* block);
  void describe_devices(const Vmdesc& vmdesc);
};

// Null for pages without a block (ram version 3).
PageCounts* SummaryCollector::State::counts_of(const RamBlock* block) {
  if (block == nullptr) return nullptr;
  if (block != last_block) {
    auto known = known_blocks.find(block);
    if (known == known_blocks.end()) {
      auto named = blocks_by_name.find(block->name);
      if (named == blocks_by_name.end()) return nullptr;
      known = known_blocks.emplace(block, named->second).first;
    }
    last_block = block;
    last_index = known->second;
  }
  return &summary.blocks[last_index].pages;
}

void SummaryCollector::State::describe_devices(const Vmdesc& vmdesc) {
  for (DeviceSummary& device : summary.devices) {
    const auto* described = vmdesc.find(device.header.idstr, device.header.instance_id);
    if (described == nullptr) continue;
    device.fields = described->field_count();
    device.subsections = described->subsection_count();
  }
}

SummaryCollector::SummaryCollector() : state_(std::make_unique<State>()) {}

SummaryCollector::~SummaryCollector() = default;

Status SummaryCollector::on_header(const StreamHeader& header) {
  state_->summary.header = header;
  add_header_clues(header, state_->summary.qemu);
  return ok();
}

Status SummaryCollector::on_configuration(const Configuration& configuration) {
  state_->summary.configuration = configuration;
  if (auto bits = configuration.target_page_bits; bits && *bits < 32) {
    state_->summary.target_page_size = uint32_t{1} << *bits;
  }
  add_configuration_clues(configuration, state_->summary.qemu);
  return ok();
}

Status SummaryCollector::on_section(const SectionHeader& header) {
  StreamSummary& summary = state_->summary;
  state_->section = header;
  state_->guest.on_section(header);
  add_section_clues(header, summary.qemu);
  if (header.type != SectionType::Start) return ok();
  state_->iterables[header.section_id] = summary.iterables.size();
  summary.iterables.push_back({.start = header});
  if (header.idstr == "ram") summary.ram_version = header.version_id;
  return ok();
}

Status SummaryCollector::on_ram_blocks(const RamBlockList& list) {
  state_->summary.ram_bytes = list.total_bytes;
  state_->known_blocks.clear();
  state_->last_block = nullptr;
  for (const RamBlock& block : state_->list.new_entries(list)) {
    auto [place, added] = state_->blocks_by_name.emplace(block.name, state_->summary.blocks.size());
    if (added) state_->summary.blocks.push_back({block, {}});
    if (block.mapped) state_->data_page_size = static_cast<uint32_t>(block.mapped->page_size);
  }
  return ok();
}

Status SummaryCollector::on_page(const Page& page) {
  state_->summary.pages.add(page.kind);
  if (PageCounts* counts = state_->counts_of(page.block)) counts->add(page.kind);
  add_page_clues(state_->section, page, state_->summary.qemu);
  if (page.kind == PageKind::Data && !state_->data_page_size) {
    state_->data_page_size = static_cast<uint32_t>(page.payload.size());
  }
  return ok();
}

Status SummaryCollector::on_ram_mark(RamMark mark, uint64_t) {
  add_ram_mark_clues(mark, state_->summary.qemu);
  return ok();
}

Status SummaryCollector::on_body(uint64_t, std::span<const std::byte> bytes) {
  state_->guest.on_body(bytes);
  if (!is_global_state(state_->section)) return ok();
  if (auto saved = read_global_state(bytes)) {
    state_->summary.run_state = saved->run_state;
    add_global_state_clues(*saved, state_->summary.qemu);
  }
  return ok();
}

Status SummaryCollector::on_section_end(const SectionHeader& header, const SectionEnd& end) {
  StreamSummary& summary = state_->summary;
  uint64_t length = end.end_offset - header.offset;
  state_->guest.on_section_end();
  if (end.footer && !std::exchange(summary.footers, true)) {
    add_footer_clues(summary.qemu);
  }
  if (header.type == SectionType::Full) {
    summary.devices.push_back({.header = header,
                               .length = length,
                               .body_length = end.body_length,
                               .footer = end.footer,
                               .bounded_by = end.bounded_by});
    return ok();
  }
  auto place = state_->iterables.find(header.section_id);
  if (place == state_->iterables.end()) return ok();
  IterableSummary& iterable = summary.iterables[place->second];
  ++iterable.sections;
  iterable.bytes += length;
  iterable.ended |= header.type == SectionType::End;
  return ok();
}

Status SummaryCollector::on_command(const Command& command) {
  ++state_->summary.commands;
  state_->summary.postcopy |= command.type == CommandType::PostcopyRun;
  add_command_clues(command.type, state_->summary.qemu);
  return ok();
}

Status SummaryCollector::on_vmdesc(const VmdescRecord& record) {
  StreamSummary& summary = state_->summary;
  summary.vmdesc = true;
  const Vmdesc& vmdesc = *record.description;
  if (vmdesc.fault()) return on_cut_vmdesc(record);  // the parser has reported it
  if (vmdesc.page_size() != 0) summary.target_page_size = vmdesc.page_size();
  state_->describe_devices(vmdesc);
  add_vmdesc_clues(vmdesc, record.json, summary.configuration.has_value(), summary.qemu);
  return ok();
}

Status SummaryCollector::on_cut_vmdesc(const VmdescRecord& record) {
  const Vmdesc& front = *record.description;
  if (front.page_size() != 0) state_->summary.target_page_size = front.page_size();
  state_->describe_devices(front);
  return ok();
}

Status SummaryCollector::on_problem(const Problem& problem) {
  state_->summary.problems.add(problem);
  return ok();
}

StreamSummary SummaryCollector::finish(const ScanResult& scan) {
  StreamSummary summary = std::move(state_->summary);
  if (!summary.target_page_size) summary.target_page_size = state_->data_page_size;
  if (scan.fault) summary.problems.add(*scan.fault, scan.plain_bytes, effect_of_fault(scan));
  summary.trailing_bytes = scan.plain_bytes - scan.stream_bytes;
  summary.complete = scan.complete();
  summary.stream_bytes = scan.stream_bytes;
  summary.clocks = state_->guest.clocks();
  summary.start = start_arguments(summary, state_->guest.power_version());
  return summary;
}

}  // namespace vmstream
