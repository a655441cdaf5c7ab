// SPDX-License-Identifier: MIT
#include "vmstream-inspect/commands/verify.h"

#include <fmt/format.h>
#include <unistd.h>

#include <nlohmann/json.hpp>
#include <numeric>

#include <vmstream/index_builder.h>
#include <vmstream/index_comparison.h>
#include <vmstream/seekable_state.h>
#include <vmstream/stream_summary.h>
#include <vmstream/verification.h>
#include "common/output.h"
#include "common/progress.h"
#include "common/terminal.h"
#include "vmstream-inspect/commands/answer.h"
#include "vmstream-inspect/print/printer.h"

namespace vmtools {

using nlohmann::ordered_json;
using vmstream::Verification;

namespace {

// What a verdict is about, all of it.
struct Verified {
  const Subject& subject;
  const vmstream::ScanResult& scan;
  const Verification& found;
  uint64_t absent_pages = 0;  // of RAM blocks, without a record
};

void print_verdict_json(const Verified& verified) {
  const auto& [subject, scan, found, absent_pages] = verified;
  auto json = opening_json("vmstream.verify/1", subject);
  auto gaps = ordered_json::array();
  for (const auto& gap : scan.gaps) gaps.push_back({{"from", gap.from}, {"to", gap.to}});
  json["ok"] = found.ok();
  json["complete"] = found.complete;
  json["verdict"] = name_of(found.load.verdict);
  json["end_inferred"] = found.end_is_inferred;
  json["sha256"] = subject.sha256.value_or("");
  json["stream_bytes"] = scan.stream_bytes;
  json["plain_bytes"] = scan.plain_bytes;
  json["trailing_bytes"] = found.trailing_bytes;
  json["sections"] = found.sections;
  json["devices"] = found.devices;
  json["described_devices"] = found.described;
  json["vmdesc"] = found.vmdesc;
  json["absent_pages"] = absent_pages;
  json["lost_bytes"] = scan.lost_bytes;
  json["gaps"] = std::move(gaps);
  json["problems"] = problems_json(found.problems);
  json["problem_count"] = found.problems.total();
  print_json(json);
}

std::string verdict(const Verification& found) {
  if (found.ok()) return "whole and consistent";
  return found.complete ? "DAMAGED: complete, but it contradicts itself" : "DAMAGED: not whole";
}

std::string load_text(const vmstream::LoadVerdict& load) {
  if (!load.because) return "QEMU loads it all the same";
  bool refused = load.verdict == vmstream::Verdict::Refused;
  return fmt::format(
      "{} {:#x} (see explain)",
      refused ? "QEMU refuses it at offset"
              : "whether QEMU loads it depends on the destination, for what is at offset",
      load.because->offset);
}

void print_verdict(bool color, const Verified& verified) {
  const auto& [subject, scan, found, absent_pages] = verified;
  std::string_view paint = !color ? "" : found.ok() ? "\x1b[1;32m" : "\x1b[1;31m";
  print(fmt::format("{}{}{}\n", paint, verdict(found), color ? "\x1b[0m" : ""));
  if (!found.ok() || found.load.because) print(fmt::format("  {}\n", load_text(found.load)));
  print(fmt::format("  {} bytes of stream, {} sections, {} devices ({} held against the vmdesc)\n",
                    scan.stream_bytes, found.sections, found.devices, found.described));
  print(fmt::format("  SHA-256 {}\n", subject.sha256.value_or("")));
  if (found.end_is_inferred) {
    print("  without footers and vmdesc a cut file may look like this too\n");
  }
  if (absent_pages > 0) {
    print(fmt::format(
        "  {} not in this stream (see explain)\n",
        absent_pages == 1 ? "1 page of RAM is" : fmt::format("{} pages of RAM are", absent_pages)));
  }
  if (found.trailing_bytes > 0) {
    print(fmt::format("  {} bytes behind the end of the stream, which no QEMU reads\n",
                      found.trailing_bytes));
  }
  if (scan.gap_count > 0) {
    print(fmt::format("  {} bytes are lost (gaps: {}); the rest could be read\n", scan.lost_bytes,
                      scan.gap_count));
  }
  for (const auto& problem : found.problems.kept()) {
    print(fmt::format("  offset {:#x}: {}{}\n", problem.offset, problem.message,
                      problem.known_flaw ? " (QEMU is known to write this)" : ""));
  }
  if (uint64_t more = found.problems.total() - found.problems.kept().size(); more > 0) {
    print(fmt::format("  … and {} more\n", more));
  }
}

uint64_t absent_pages(const vmstream::StateFacts& facts) {
  uint64_t absent = 0;
  for (const vmstream::IndexedBlock& block : facts.blocks) {
    if (block.account) {
      absent += block.account->absent;
      continue;
    }
    uint64_t records = std::accumulate(block.records.begin(), block.records.end(), uint64_t{0});
    absent += vmstream::count_absent_pages(block.block, records, facts.target_page_size);
  }
  return absent;
}

void add_all(vmstream::ProblemLog& log, std::vector<vmstream::Problem> problems) {
  for (auto& problem : problems) log.add(std::move(problem));
}

// What the index says is checked against what was read, page by page, and so is where the file says
// that it can be read by position. An index that cannot be read is a problem too.
void check_index(Session& session, const InspectOptions& options, const vmstream::StateIndex& made,
                 vmstream::ProblemLog& problems) {
  auto state = open_by_position(session, options);
  if (!state) return;
  auto fault = state->index_fault;
  if (state->index) {
    auto carried = state->index->read();
    if (!carried) fault = carried.error();
    if (carried) add_all(problems, vmstream::compare_index(*carried, made));
  }
  if (fault) problems.add({.offset = 0, .message = vmstream::describe(*fault)});
  add_all(problems, vmstream::check_positions(*state, made.facts.sha256));
}

}  // namespace

ExitStatus verify(Session& session, const InspectOptions& options, vmstream::StateFile& state) {
  Progress progress(session, "verify");
  vmstream::Sha256 digest;
  vmstream::Verifier verifier;
  vmstream::IndexBuilder indexer;
  auto scan = vmstream::scan_stream(
      *state.plain, verifier,
      {.digest = &digest,
       .also = &indexer,
       .on_progress = [&](const vmstream::StreamCounts& counts) { progress.update(counts); }});
  progress.enter("done");
  session.messages().erase_bar();
  if (scan.fault && !vmstream::is_stream_fault(*scan.fault)) {
    return session.fail(shown_name(options), *scan.fault);
  }
  Subject subject{options.file, state.containers, digest.finish()};
  auto found = verifier.finish(scan);
  auto index = indexer.finish(scan.plain_bytes, scan.stream_bytes, scan.complete());
  index.facts.sha256 = *subject.sha256;
  check_index(session, options, index, found.problems);
  if (auto going = session.check_interrupted(); !going) {
    return session.fail(shown_name(options), going.error());
  }
  Verified verified{subject, scan, found, scan.complete() ? absent_pages(index.facts) : 0};
  if (options.common.json) {
    print_verdict_json(verified);
  } else {
    print_verdict(use_color(options.common.color, STDOUT_FILENO), verified);
  }
  return judge(session, options, scan, found.problems);
}

}  // namespace vmtools
