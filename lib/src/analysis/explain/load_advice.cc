// SPDX-License-Identifier: MIT
// Gathers what matters for a load while the stream goes by.
#include <vmstream/load_advice.h>

#include <utility>

#include "analysis/explain/load_findings.h"

namespace vmstream {

std::string_view name_of(AdviceKind kind) {
  switch (kind) {
    case AdviceKind::Fails:
      return "fails";
    case AdviceKind::Needs:
      return "needs";
    case AdviceKind::Note:
      return "note";
  }
  return "note";
}

struct LoadAdviser::State {
  SummaryCollector collector;
  analysis::LoadFindings found;
};

LoadAdviser::LoadAdviser() : state_(std::make_unique<State>()) {}

LoadAdviser::~LoadAdviser() = default;

std::vector<Advice> LoadAdviser::finish(const ScanResult& scan, std::optional<QemuVersion> qemu) {
  state_->found.summary = state_->collector.finish(scan);
  state_->found.gaps = scan.gaps;
  state_->found.fault = scan.fault;
  return analysis::advise(state_->found, scan, qemu);
}

std::vector<Advice> LoadAdviser::explain(std::string_view message) const {
  return analysis::explain_message(state_->found, message);
}

const StreamSummary& LoadAdviser::summary() const {
  return state_->found.summary;
}

Status LoadAdviser::on_header(const StreamHeader& header) {
  return state_->collector.on_header(header);
}

Status LoadAdviser::on_configuration(const Configuration& configuration) {
  return state_->collector.on_configuration(configuration);
}

Status LoadAdviser::on_section(const SectionHeader& header) {
  state_->found.devices.on_section(header);
  return state_->collector.on_section(header);
}

Status LoadAdviser::on_ram_blocks(const RamBlockList& list) {
  return state_->collector.on_ram_blocks(list);
}

Status LoadAdviser::on_page(const Page& page) {
  state_->found.pages.try_emplace(page.kind, page.offset);
  return state_->collector.on_page(page);
}

Status LoadAdviser::on_ram_mark(RamMark mark, uint64_t offset) {
  auto& found = state_->found;
  if (mark == RamMark::MultifdFlush && !found.multifd_flush) found.multifd_flush = offset;
  if (mark == RamMark::Hook && !found.hook) found.hook = offset;
  return state_->collector.on_ram_mark(mark, offset);
}

Status LoadAdviser::on_body(uint64_t offset, std::span<const std::byte> bytes) {
  state_->found.devices.on_body(bytes);
  return state_->collector.on_body(offset, bytes);
}

Status LoadAdviser::on_section_end(const SectionHeader& header, const SectionEnd& end) {
  state_->found.devices.on_section_end(end);
  return state_->collector.on_section_end(header, end);
}

Status LoadAdviser::on_command(const Command& command) {
  state_->found.commands.try_emplace(command.type, command.offset);
  return state_->collector.on_command(command);
}

Status LoadAdviser::on_vmdesc(const VmdescRecord& record) {
  // First the collector, which keeps none: two large descriptions at a time are too many.
  if (auto collected = state_->collector.on_vmdesc(record); !collected) return collected;
  auto vmdesc = Vmdesc::parse(record.json);
  if (vmdesc) state_->found.vmdesc = std::make_unique<Vmdesc>(std::move(*vmdesc));
  state_->found.vmdesc_offset = record.offset;
  return ok();
}

Status LoadAdviser::on_trailing(uint64_t offset, std::span<const std::byte> bytes) {
  return state_->collector.on_trailing(offset, bytes);
}

Status LoadAdviser::on_problem(const Problem& problem) {
  return state_->collector.on_problem(problem);
}

}  // namespace vmstream
