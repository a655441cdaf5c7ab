// SPDX-License-Identifier: MIT
#include <vmstream/verification.h>

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "analysis/scan/stream_checks.h"
#include "format/wire.h"

namespace vmstream {

namespace {

// What a verdict is based on, in numbers.
class SectionCounter final : public StreamVisitor {
 public:
  explicit SectionCounter(Verification& result) : result_(result) {}

  Status on_section_end(const SectionHeader& header, const SectionEnd& end) override {
    ++result_.sections;
    if (header.type != SectionType::Full) return ok();
    ++result_.devices;
    result_.end_is_inferred = end.bounded_by == BoundedBy::NextHeader;
    return ok();
  }
  Status on_configuration(const Configuration&) override {
    describes_ = true;  // descriptions came with 2.3, configurations with 2.4
    return ok();
  }
  Status on_ram_blocks(const RamBlockList& list) override {
    result_.mapped_ram |= !list.blocks.empty() && list.blocks.back().mapped.has_value();
    return ok();
  }
  Status on_command(const Command& command) override {
    if (command.type == CommandType::PostcopyListen) describes_ = false;
    return ok();
  }
  Status on_vmdesc(const VmdescRecord&) override {
    result_.vmdesc = true;
    return ok();
  }
  bool describes() const { return describes_; }

 private:
  Verification& result_;
  bool describes_ = false;  // the sender, its sections
};

}  // namespace

struct Verifier::State {
  explicit State(PageChannels channels) {
    if (channels == PageChannels::AtHand) checks.set_channels_at_hand();
  }

  Verification result;
  SectionCounter counter{result};
  StreamChecks checks;
};

Status Verification::status() const {
  if (ok()) return vmstream::ok();
  auto first = std::ranges::find(problems.kept(), false, &Problem::known_flaw);
  return Error{Errc::Malformed, first->message, first->offset};
}

Verifier::Verifier(PageChannels channels)
    : VisitorList({}), state_(std::make_unique<State>(channels)) {
  add(&state_->counter);
  add(&state_->checks);
}

Verifier::~Verifier() = default;

void Verifier::set_stream_place(std::optional<uint64_t> place) {
  state_->checks.set_stream_place(place);
}

Verification Verifier::finish(const ScanResult& scan) {
  Verification result = std::move(state_->result);
  auto found = state_->checks.finish(scan);
  result.problems = std::move(found.problems);
  result.load = std::move(found.verdict);
  result.described = state_->checks.described();
  result.trailing_bytes = scan.plain_bytes - scan.stream_bytes;
  result.complete = scan.complete();
  result.lacks_vmdesc = result.complete && !result.vmdesc && state_->counter.describes();
  bool stops_in_sections = scan.fault && !scan.fault_in_description;
  result.sections_complete =
      scan.ended && scan.gap_count == 0 && !stops_in_sections && !result.end_is_inferred;
  result.end_is_inferred &= result.complete;
  return result;
}

namespace {

Status judge(const Verification& found, const ScanResult& scan, Wanted wanted) {
  auto whole = scan.fault ? Status(*scan.fault) : found.status();
  if (whole || !found.ok_but_for_description()) return whole;
  return wanted == Wanted::Whole ? Status(with_description_hint(whole.error())) : ok();
}

}  // namespace

Status verify_stream(ByteSource& plain, const std::string& sha256, const ScanOptions& options,
                     Wanted wanted) {
  Verifier verifier;
  Sha256 digest;
  ScanOptions how = options;
  if (!sha256.empty()) how.digest = &digest;
  auto scan = scan_stream(plain, verifier, how);
  if (auto sound = judge(verifier.finish(scan), scan, wanted); !sound) return sound;
  if (sha256.empty()) return ok();
  std::string found = digest.finish();
  if (found == sha256) return ok();
  return Error{Errc::Malformed, fmt::format("SHA-256 is {}, wanted {}", found, sha256)};
}

}  // namespace vmstream
