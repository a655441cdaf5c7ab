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

namespace {

// Where what a load or a message of QEMU may speak of stands.
class PlaceFinder final : public StreamVisitor {
 public:
  explicit PlaceFinder(analysis::LoadFindings& found) : found_(found) {}

  Status on_page(const Page& page) override {
    found_.pages.try_emplace(page.kind, page.offset);
    return ok();
  }
  Status on_ram_mark(RamMark mark, uint64_t offset) override {
    if (mark == RamMark::MultifdFlush && !found_.multifd_flush) found_.multifd_flush = offset;
    if (mark == RamMark::Hook && !found_.hook) found_.hook = offset;
    return ok();
  }
  Status on_command(const Command& command) override {
    found_.commands.try_emplace(command.type, command.offset);
    if (found_.command_list.size() < analysis::CommandPlace::kMostKept) {
      found_.command_list.push_back({command.type, command.offset, command.payload.size()});
    }
    return ok();
  }
  Status on_eof(uint64_t offset) override {
    if (!found_.eof_offset) found_.eof_offset = offset;
    return ok();
  }
  Status on_vmdesc(const VmdescRecord& record) override {
    found_.vmdesc = record.description;
    found_.vmdesc_offset = record.offset;
    return ok();
  }
  Status on_cut_vmdesc(const VmdescRecord& record) override { return on_vmdesc(record); }

 private:
  analysis::LoadFindings& found_;
};

}  // namespace

struct LoadAdviser::State {
  explicit State(std::optional<QemuVersion> loader) : qemu(loader), checks(loader) {}

  std::optional<QemuVersion> qemu;
  SummaryCollector collector;
  analysis::StreamChecks checks;
  analysis::LoadFindings found{checks.devices()};
  PlaceFinder places{found};
  LoadVerdict verdict;
};

LoadAdviser::LoadAdviser(std::optional<QemuVersion> qemu)
    : VisitorList({}), state_(std::make_unique<State>(qemu)) {
  add(&state_->checks);
  add(&state_->collector);
  add(&state_->places);
}

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

}  // namespace vmstream
