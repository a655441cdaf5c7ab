// SPDX-License-Identifier: MIT
#include "vmstream-inspect/commands/verify.h"

#include <fmt/format.h>
#include <unistd.h>

#include <nlohmann/json.hpp>

#include <vmstream/index_answers.h>
#include <vmstream/index_builder.h>
#include <vmstream/seekable_state.h>
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

void print_verdict_json(const Subject& subject, const vmstream::ScanResult& scan,
                        const Verification& found) {
  auto json = opening_json("vmstream.verify/1", subject);
  auto gaps = ordered_json::array();
  for (const auto& gap : scan.gaps) gaps.push_back({{"from", gap.from}, {"to", gap.to}});
  json["ok"] = found.ok();
  json["complete"] = found.complete;
  json["sha256"] = subject.sha256.value_or("");
  json["stream_bytes"] = scan.stream_bytes;
  json["plain_bytes"] = scan.plain_bytes;
  json["trailing_bytes"] = found.trailing_bytes;
  json["sections"] = found.sections;
  json["devices"] = found.devices;
  json["described_devices"] = found.described;
  json["vmdesc"] = found.vmdesc;
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

void print_verdict(bool color, const Subject& subject, const vmstream::ScanResult& scan,
                   const Verification& found) {
  std::string_view paint = !color ? "" : found.ok() ? "\x1b[1;32m" : "\x1b[1;31m";
  print(fmt::format("{}{}{}\n", paint, verdict(found), color ? "\x1b[0m" : ""));
  print(fmt::format("  {} bytes of stream, {} sections, {} devices ({} held against the vmdesc)\n",
                    scan.stream_bytes, found.sections, found.devices, found.described));
  print(fmt::format("  SHA-256 {}\n", subject.sha256.value_or("")));
  if (found.trailing_bytes > 0) {
    print(fmt::format("  {} bytes behind the end of the stream, which no QEMU reads\n",
                      found.trailing_bytes));
  }
  if (scan.gap_count > 0) {
    print(fmt::format("  {} bytes are lost in {} places; the rest could be read\n", scan.lost_bytes,
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

}  // namespace

// What the index says is checked against what was read; one that cannot be read is a problem too.
void check_index(const InspectOptions& options, const vmstream::StateIndex& made,
                 vmstream::ProblemLog& problems) {
  if (options.file == "-") return;
  auto state = vmstream::open_seekable_state(options.file);
  if (!state) return;
  auto fault = state->index_fault;
  if (state->index) {
    auto carried = state->index->read();
    if (!carried) fault = carried.error();
    if (carried) {
      for (auto& text : vmstream::find_disagreements(*carried, made)) {
        problems.add({.offset = 0, .message = std::move(text)});
      }
    }
  }
  if (fault) problems.add({.offset = 0, .message = vmstream::describe(*fault)});
}

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
  check_index(options, index, found.problems);
  if (options.common.json) {
    print_verdict_json(subject, scan, found);
  } else {
    print_verdict(use_color(options.common.color, STDOUT_FILENO), subject, scan, found);
  }
  return judge(session, options, scan, found.problems);
}

}  // namespace vmtools
