// SPDX-License-Identifier: MIT
#include <vmstream/verification.h>

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "analysis/scan/stream_checks.h"

namespace vmstream {

struct Verifier::State {
  Verification result;
  analysis::StreamChecks checks;
};

Status Verification::status() const {
  if (ok()) return vmstream::ok();
  auto first = std::ranges::find(problems.kept(), false, &Problem::known_flaw);
  return Error{Errc::Malformed, first->message, first->offset};
}

Verifier::Verifier() : state_(std::make_unique<State>()) {}

Verifier::~Verifier() = default;

Status Verifier::on_header(const StreamHeader& header) {
  return state_->checks.on_header(header);
}

Status Verifier::on_configuration(const Configuration& configuration) {
  return state_->checks.on_configuration(configuration);
}

Status Verifier::on_section(const SectionHeader& header) {
  return state_->checks.on_section(header);
}

Status Verifier::on_ram_blocks(const RamBlockList& list) {
  return state_->checks.on_ram_blocks(list);
}

Status Verifier::on_page(const Page& page) {
  return state_->checks.on_page(page);
}

Status Verifier::on_ram_mark(RamMark mark, uint64_t offset) {
  return state_->checks.on_ram_mark(mark, offset);
}

Status Verifier::on_body(uint64_t offset, std::span<const std::byte> bytes) {
  return state_->checks.on_body(offset, bytes);
}

Status Verifier::on_section_end(const SectionHeader& header, const SectionEnd& end) {
  ++state_->result.sections;
  if (header.type == SectionType::Full) {
    ++state_->result.devices;
    state_->result.end_is_inferred = end.bounded_by == BoundedBy::NextHeader;
  }
  return state_->checks.on_section_end(header, end);
}

Status Verifier::on_command(const Command& command) {
  return state_->checks.on_command(command);
}

Status Verifier::on_eof(uint64_t offset) {
  return state_->checks.on_eof(offset);
}

Status Verifier::on_vmdesc(const VmdescRecord& record) {
  state_->result.vmdesc = true;
  return state_->checks.on_vmdesc(record);
}

Status Verifier::on_cut_vmdesc(const VmdescRecord& record) {
  return state_->checks.on_cut_vmdesc(record);
}

Status Verifier::on_problem(const Problem& problem) {
  return state_->checks.on_problem(problem);
}

Verification Verifier::finish(const ScanResult& scan) {
  Verification result = std::move(state_->result);
  auto found = state_->checks.finish(scan);
  result.problems = std::move(found.problems);
  result.load = std::move(found.verdict);
  result.described = state_->checks.described();
  result.trailing_bytes = scan.plain_bytes - scan.stream_bytes;
  result.complete = scan.complete();
  result.end_is_inferred &= result.complete;
  return result;
}

Status verify_stream(ByteSource& plain, const std::string& sha256, const ScanOptions& options) {
  Verifier verifier;
  Sha256 digest;
  ScanOptions how = options;
  if (!sha256.empty()) how.digest = &digest;
  auto scan = scan_stream(plain, verifier, how);
  if (scan.fault) return *scan.fault;
  if (auto whole = verifier.finish(scan).status(); !whole || sha256.empty()) return whole;
  std::string found = digest.finish();
  if (found == sha256) return ok();
  return Error{Errc::Malformed, fmt::format("SHA-256 is {}, wanted {}", found, sha256)};
}

}  // namespace vmstream
