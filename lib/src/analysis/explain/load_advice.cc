// SPDX-License-Identifier: MIT
// Gathers what matters for a load while the stream goes by.
#include <vmstream/load_advice.h>

#include <utility>

#include "analysis/explain/load_findings.h"
#include "analysis/scan/stream_checks.h"

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
  explicit State(std::optional<QemuVersion> loader) : qemu(loader), checks(loader) {}

  std::optional<QemuVersion> qemu;
  SummaryCollector collector;
  analysis::StreamChecks checks;
  analysis::LoadFindings found{checks.devices()};
  LoadVerdict verdict;
};

LoadAdviser::LoadAdviser(std::optional<QemuVersion> qemu) : state_(std::make_unique<State>(qemu)) {}

LoadAdviser::~LoadAdviser() = default;

std::vector<Advice> LoadAdviser::finish(const ScanResult& scan) {
  auto& found = state_->found;
  found.summary = state_->collector.finish(scan);
  found.gaps = scan.gaps;
  found.fault = scan.fault;
  auto checked = state_->checks.finish(scan);
  found.summary.problems = std::move(checked.problems);
  found.conditions = std::move(checked.conditions);
  state_->verdict = std::move(checked.verdict);
  return analysis::advise(found, state_->qemu);
}

const LoadVerdict& LoadAdviser::verdict() const {
  return state_->verdict;
}

std::vector<Advice> LoadAdviser::explain(std::string_view message) const {
  return analysis::explain_message(state_->found, message);
}

const StreamSummary& LoadAdviser::summary() const {
  return state_->found.summary;
}

Status LoadAdviser::on_header(const StreamHeader& header) {
  if (auto checked = state_->checks.on_header(header); !checked) return checked;
  return state_->collector.on_header(header);
}

Status LoadAdviser::on_configuration(const Configuration& configuration) {
  if (auto checked = state_->checks.on_configuration(configuration); !checked) return checked;
  return state_->collector.on_configuration(configuration);
}

Status LoadAdviser::on_section(const SectionHeader& header) {
  if (auto checked = state_->checks.on_section(header); !checked) return checked;
  return state_->collector.on_section(header);
}

Status LoadAdviser::on_ram_blocks(const RamBlockList& list) {
  if (auto checked = state_->checks.on_ram_blocks(list); !checked) return checked;
  return state_->collector.on_ram_blocks(list);
}

Status LoadAdviser::on_page(const Page& page) {
  state_->found.pages.try_emplace(page.kind, page.offset);
  if (auto checked = state_->checks.on_page(page); !checked) return checked;
  return state_->collector.on_page(page);
}

Status LoadAdviser::on_ram_mark(RamMark mark, uint64_t offset) {
  auto& found = state_->found;
  if (mark == RamMark::MultifdFlush && !found.multifd_flush) found.multifd_flush = offset;
  if (mark == RamMark::Hook && !found.hook) found.hook = offset;
  if (auto checked = state_->checks.on_ram_mark(mark, offset); !checked) return checked;
  return state_->collector.on_ram_mark(mark, offset);
}

Status LoadAdviser::on_body(uint64_t offset, std::span<const std::byte> bytes) {
  if (auto checked = state_->checks.on_body(offset, bytes); !checked) return checked;
  return state_->collector.on_body(offset, bytes);
}

Status LoadAdviser::on_section_end(const SectionHeader& header, const SectionEnd& end) {
  if (auto checked = state_->checks.on_section_end(header, end); !checked) return checked;
  return state_->collector.on_section_end(header, end);
}

Status LoadAdviser::on_command(const Command& command) {
  auto& found = state_->found;
  found.commands.try_emplace(command.type, command.offset);
  if (found.command_list.size() < analysis::CommandPlace::kMostKept) {
    found.command_list.push_back({command.type, command.offset, command.payload.size()});
  }
  if (auto checked = state_->checks.on_command(command); !checked) return checked;
  return state_->collector.on_command(command);
}

Status LoadAdviser::on_eof(uint64_t offset) {
  if (!state_->found.eof_offset) state_->found.eof_offset = offset;
  return state_->checks.on_eof(offset);
}

Status LoadAdviser::on_vmdesc(const VmdescRecord& record) {
  // First those which keep none: two large descriptions at a time are too many.
  if (auto checked = state_->checks.on_vmdesc(record); !checked) return checked;
  if (auto collected = state_->collector.on_vmdesc(record); !collected) return collected;
  state_->found.vmdesc = std::make_unique<Vmdesc>(Vmdesc::read_front(record.json));
  state_->found.vmdesc_offset = record.offset;
  return ok();
}

Status LoadAdviser::on_cut_vmdesc(const VmdescRecord& record) {
  if (auto checked = state_->checks.on_cut_vmdesc(record); !checked) return checked;
  if (auto collected = state_->collector.on_cut_vmdesc(record); !collected) return collected;
  state_->found.vmdesc = std::make_unique<Vmdesc>(Vmdesc::read_front(record.json));
  state_->found.vmdesc_offset = record.offset;
  return ok();
}

Status LoadAdviser::on_problem(const Problem& problem) {
  return state_->checks.on_problem(problem);
}

}  // namespace vmstream
