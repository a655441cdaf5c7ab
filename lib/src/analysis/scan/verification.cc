// SPDX-License-Identifier: MIT
#include <vmstream/verification.h>

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <utility>

#include "analysis/scan/device_keeper.h"

#include <vmstream/device_state.h>
#include <vmstream/text.h>

namespace vmstream {

struct Verifier::State {
  Verification result;
  analysis::DeviceKeeper keeper;
  std::set<std::pair<std::string, uint32_t>> names;  // of the devices seen
  std::set<uint64_t> told;                           // offsets that have a problem already

  void report(uint64_t offset, std::string message, bool known_flaw = false) {
    if (told.contains(offset)) return;
    if (told.size() < ProblemLog::kProblemsKept) told.insert(offset);
    result.problems.add({offset, std::move(message), known_flaw});
  }
  void check_head(const SectionHeader& header);
  void check_device(const analysis::KeptDevice& device, const Vmdesc& vmdesc);
  void check_described(const VmdescDevice& described, uint64_t vmdesc_offset);
};

// Nothing else in the stream holds the name of an iterable section against damage.
void Verifier::State::check_head(const SectionHeader& header) {
  bool named = header.type == SectionType::Start || header.type == SectionType::Full;
  if (!named) return;
  bool printable = std::ranges::all_of(header.idstr, [](char c) { return c >= ' ' && c < 0x7f; });
  if (!printable) {
    report(header.offset, fmt::format("section name '{}' holds characters that no QEMU uses",
                                      escape(header.idstr)));
  } else if (header.idstr == "ram" && header.instance_id != 0) {
    report(header.offset,
           fmt::format("section 'ram' has instance id {}, wanted 0", header.instance_id));
  }
}

// That the lengths agree is the parser's to tell; it has bounded the section by them.
void Verifier::State::check_device(const analysis::KeptDevice& device, const Vmdesc& vmdesc) {
  const auto& header = device.header;
  const VmdescDevice* described = vmdesc.find(header.idstr, header.instance_id);
  if (described == nullptr) {
    report(header.offset, fmt::format("vmdesc does not describe section '{}' instance {}",
                                      escape(header.idstr), header.instance_id));
    return;
  }
  ++result.described;
  if (!described->vmsd_name.empty() && described->version != header.version_id) {
    report(header.offset, fmt::format("section '{}' has version {}, vmdesc says {}",
                                      escape(header.idstr), header.version_id, described->version));
  }
  bool agrees = described->body_length() == device.end.body_length;
  if (!device.kept || !agrees) return;
  DeviceState state = decode_device(*described, device.body, header.body_offset);
  if (state.problems.empty()) return;
  const Problem& first = state.problems.front();
  report(first.offset,
         fmt::format("section '{}' (id {}): {}", escape(header.idstr), header.section_id,
                     first.message),
         described->hides_elements());
}

void Verifier::State::check_described(const VmdescDevice& described, uint64_t vmdesc_offset) {
  if (names.contains({described.idstr, described.instance_id})) return;
  result.problems.add(
      {vmdesc_offset, fmt::format("vmdesc describes '{}' instance {}, which is not in the stream",
                                  escape(described.idstr), described.instance_id)});
}

Status Verification::status() const {
  if (ok()) return vmstream::ok();
  auto first = std::ranges::find(problems.kept(), false, &Problem::known_flaw);
  return Error{Errc::Malformed, first->message, first->offset};
}

Verifier::Verifier() : state_(std::make_unique<State>()) {}

Verifier::~Verifier() = default;

Status Verifier::on_section(const SectionHeader& header) {
  state_->keeper.on_section(header);
  state_->check_head(header);
  return ok();
}

Status Verifier::on_body(uint64_t, std::span<const std::byte> bytes) {
  state_->keeper.on_body(bytes);
  return ok();
}

Status Verifier::on_section_end(const SectionHeader& header, const SectionEnd& end) {
  state_->keeper.on_section_end(end);
  ++state_->result.sections;
  if (header.type != SectionType::Full) return ok();
  ++state_->result.devices;
  state_->result.end_is_inferred = end.bounded_by == BoundedBy::NextHeader;
  state_->names.emplace(header.idstr, header.instance_id);
  return ok();
}

Status Verifier::on_vmdesc(const VmdescRecord& record) {
  state_->result.vmdesc = true;
  auto vmdesc = Vmdesc::parse(record.json);
  if (!vmdesc) return ok();  // the parser has reported it
  for (const auto& device : state_->keeper.devices()) state_->check_device(device, *vmdesc);
  for (const auto& described : vmdesc->devices()) {
    state_->check_described(described, record.offset);
  }
  return ok();
}

Status Verifier::on_trailing(uint64_t, std::span<const std::byte> bytes) {
  state_->result.trailing_bytes += bytes.size();
  return ok();
}

Status Verifier::on_problem(const Problem& problem) {
  if (state_->told.size() < ProblemLog::kProblemsKept) state_->told.insert(problem.offset);
  state_->result.problems.add(problem);
  return ok();
}

Verification Verifier::finish(const ScanResult& scan) {
  Verification result = std::move(state_->result);
  if (scan.fault) result.problems.add(*scan.fault, scan.plain_bytes);
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
