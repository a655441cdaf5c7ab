// SPDX-License-Identifier: MIT
#include "vmstream-inspect/commands/verified.h"

#include <fmt/format.h>

#include <filesystem>
#include <nlohmann/json.hpp>
#include <numeric>

#include <vmstream/indexing.h>
#include <vmstream/stream_summary.h>
#include <vmstream/text.h>
#include <vmstream/visitor.h>
#include "common/json_text.h"
#include "common/output.h"
#include "common/progress.h"

namespace vminspect {

using nlohmann::ordered_json;
using vmtools::or_null;
using vmtools::print;
using vmtools::Progress;
using vmtools::Session;

ordered_json verdict_json(const Verified& verified) {
  const auto& [subject, scan, found, file_sha256, absent_pages] = verified;
  auto json = opening_json("vmstream.verify/1", subject);
  auto gaps = ordered_json::array();
  for (const auto& gap : scan.gaps) gaps.push_back({{"from", gap.from}, {"to", gap.to}});
  json["ok"] = found.ok();
  json["complete"] = found.complete;
  json["verdict"] = name_of(found.load.verdict);
  json["end_inferred"] = found.end_is_inferred;
  json["sha256"] = subject.sha256.value_or("");
  json["file_sha256"] = or_null(file_sha256);
  json["stream_bytes"] = scan.stream_bytes;
  json["plain_bytes"] = scan.plain_bytes;
  json["trailing_bytes"] = found.trailing_bytes;
  json["sections"] = found.sections;
  json["devices"] = found.devices;
  json["described_devices"] = found.described;
  json["vmdesc"] = found.vmdesc;
  json["vmdesc_missing"] = found.lacks_vmdesc;
  json["absent_pages"] = absent_pages;
  json["lost_bytes"] = scan.lost_bytes;
  json["gaps"] = std::move(gaps);
  json["problems"] = problems_json(found.problems);
  json["problem_count"] = found.problems.total();
  return json;
}

std::string verdict_text(bool ok, bool complete) {
  if (ok) return "whole and consistent";
  return complete ? "DAMAGED: complete, but it contradicts itself" : "DAMAGED: not whole";
}

void print_headline(bool color, bool ok, std::string_view text) {
  std::string_view paint = !color ? "" : ok ? "\x1b[1;32m" : "\x1b[1;31m";
  print(fmt::format("{}{}{}\n", paint, text, color ? "\x1b[0m" : ""));
}

std::string load_text(const vmstream::LoadVerdict& load) {
  if (!load.because) return "QEMU loads it all the same";
  bool refused = load.verdict == vmstream::Verdict::Refused;
  return fmt::format(
      "{} {:#x} (see explain)",
      refused ? "QEMU refuses it at offset" : "it depends on the destination, by offset",
      load.because->offset);
}

void print_notes(const Verified& verified) {
  const auto& [subject, scan, found, file_sha256, absent_pages] = verified;
  if (found.end_is_inferred) {
    print("  without footers and vmdesc a cut file may look like this too\n");
  }
  if (found.lacks_vmdesc) {
    print(
        "  without the vmdesc that QEMU writes unless it is told not to: a stream that was\n"
        "  cut right behind its sections, which QEMU loads, looks like this too\n");
  }
  if (found.trailing_bytes > 0) {
    print(fmt::format("  {} bytes behind the end of the stream, which no QEMU reads\n",
                      found.trailing_bytes));
  }
  if (scan.gap_count > 0) {
    print(fmt::format("  {} bytes are lost (gaps: {}); the rest could be read\n", scan.lost_bytes,
                      scan.gap_count));
  }
}

void print_problems(const vmstream::ProblemLog& problems, std::string_view file) {
  std::string prefix = file.empty() ? "" : vmstream::escape(file) + ": ";
  for (const auto& problem : problems.kept()) {
    print(fmt::format("  {}offset {:#x}: {}{}\n", prefix, problem.offset, problem.message,
                      problem.known_flaw ? " (QEMU is known to write this)" : ""));
  }
  if (uint64_t more = problems.total() - problems.kept().size(); more > 0) {
    print(fmt::format("  … and {} more\n", more));
  }
}

namespace {

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

// An index that cannot be read is a problem too. One that no tool believes says nothing of the
// file.
void check_index(Session& session, const InspectOptions& options, vmstream::StateFile& file,
                 const vmstream::StateIndex& made, vmstream::ProblemLog& problems) {
  auto fault = file.index_fault();
  if (fault && !vmstream::is_stream_fault(*fault)) {
    session.messages().warning(shown_name(options),
                               "verified without its index: " + vmstream::describe(*fault));
  }
  for (auto& problem : file.check_index(made)) {
    problem.effect = vmstream::LoadEffect::Ignored;  // QEMU reads no index
    problems.add(std::move(problem));
  }
}

}  // namespace

vmstream::Result<std::unique_ptr<vmstream::ByteSource>> open_digested(
    vmstream::StateFile& file, std::optional<vmstream::FileDigest>& digest) {
  auto stream = file.stream([&](std::unique_ptr<vmstream::ByteSource> bytes) {
    return digest.emplace(std::move(bytes)).source();
  });
  bool same_bytes = file.containers().size() == 1 || file.chosen_snapshot();
  if (stream && digest && same_bytes) digest->stop();
  return stream;
}

vmstream::Result<std::optional<std::string>> digest_file(
    const InspectOptions& options, const Subject& subject,
    std::optional<vmstream::FileDigest>& digest) {
  if (!digest) return std::optional<std::string>();
  if (subject.containers.size() == 1) return subject.sha256;
  if (subject.containers.front().snapshot) return std::optional<std::string>();
  std::error_code unknown;
  // It would be read to the device's end, far behind what is saved on it.
  if (std::filesystem::is_block_file(options.file, unknown)) return std::optional<std::string>();
  auto finished = digest->finish();
  if (!finished) return finished.error();
  return std::optional(std::move(*finished));
}

vmstream::Result<Verified> examine(Session& session, const InspectOptions& options,
                                   vmstream::PageChannels channels, vmstream::StreamVisitor* also) {
  auto file = open_subject(session, options);
  if (!file) return file.error();
  std::optional<vmstream::FileDigest> file_digest;
  auto stream = open_digested(*file, file_digest);
  if (!stream) return stream.error();
  Progress progress(session, "verify");
  vmstream::Sha256 digest;
  vmstream::Verifier verifier(channels);
  verifier.set_stream_place(vmstream::stream_place(file->containers()));
  vmstream::IndexBuilder indexer;
  vmstream::VisitorList others{&indexer, also};
  auto scan = vmstream::scan_stream(
      **stream, verifier,
      {.digest = &digest,
       .also = &others,
       .on_progress = [&](const vmstream::StreamCounts& counts) { progress.update(counts); }});
  progress.enter("done");
  session.messages().erase_bar();
  if (scan.fault && !vmstream::is_stream_fault(*scan.fault)) return *scan.fault;
  stream->reset();
  Subject subject{options.file, file->containers(), digest.finish()};
  auto file_sha256 = digest_file(options, subject, file_digest);
  if (!file_sha256) return file_sha256.error();
  auto found = verifier.finish(scan);
  for (auto& problem : file->container_problems()) found.problems.add(std::move(problem));
  auto index = indexer.finish(scan.plain_bytes, scan.stream_bytes, scan.complete());
  index.facts.sha256 = *subject.sha256;
  check_index(session, options, *file, index, found.problems);
  if (auto going = session.check_interrupted(); !going) return going.error();
  uint64_t absent = scan.complete() ? absent_pages(index.facts) : 0;
  return Verified{std::move(subject), std::move(scan), std::move(found), std::move(*file_sha256),
                  absent};
}

}  // namespace vminspect
