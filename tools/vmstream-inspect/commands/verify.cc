// SPDX-License-Identifier: MIT
#include "vmstream-inspect/commands/verify.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <numeric>

#include <vmstream/file_digest.h>
#include <vmstream/index_builder.h>
#include <vmstream/index_comparison.h>
#include <vmstream/seekable_state.h>
#include <vmstream/stream_summary.h>
#include <vmstream/text.h>
#include <vmstream/verification.h>
#include "common/exit_status.h"
#include "common/json_values.h"
#include "common/output.h"
#include "common/progress.h"
#include "common/terminal.h"
#include "vmstream-inspect/commands/answer.h"
#include "vmstream-inspect/print/json_rows.h"
#include "vmstream-inspect/print/printer.h"

namespace vmtools {

using nlohmann::ordered_json;
using vmstream::Verification;

namespace {

// What a verdict is about, all of it.
struct Verified {
  Subject subject;
  vmstream::ScanResult scan;
  Verification found;
  std::optional<std::string> file_sha256;
  uint64_t absent_pages = 0;  // of RAM blocks, without a record
};

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

std::string verdict(const Verification& found) {
  if (found.ok()) return "whole and consistent";
  return found.complete ? "DAMAGED: complete, but it contradicts itself" : "DAMAGED: not whole";
}

std::string load_text(const vmstream::LoadVerdict& load) {
  if (!load.because) return "QEMU loads it all the same";
  bool refused = load.verdict == vmstream::Verdict::Refused;
  return fmt::format(
      "{} {:#x} (see explain)",
      refused ? "QEMU refuses it at offset" : "it depends on the destination, by offset",
      load.because->offset);
}

// Of a plain file one is the other.
void print_digests(const std::string& stream, const std::optional<std::string>& file) {
  if (file == stream) {
    print(fmt::format("  SHA-256 {}\n", stream));
    return;
  }
  print(fmt::format("  SHA-256 of the plain stream:\n    {}\n", stream));
  if (file) print(fmt::format("  SHA-256 of the file, as sha256sum prints it:\n    {}\n", *file));
}

void print_verdict(bool color, const Verified& verified) {
  const auto& [subject, scan, found, file_sha256, absent_pages] = verified;
  std::string_view paint = !color ? "" : found.ok() ? "\x1b[1;32m" : "\x1b[1;31m";
  print(fmt::format("{}{}{}\n", paint, verdict(found), color ? "\x1b[0m" : ""));
  if (!found.ok() || found.load.because) print(fmt::format("  {}\n", load_text(found.load)));
  if (!found.ok() && found.ok_but_for_description()) {
    print("  vmrestore does so with --accept-damaged-description\n");
  }
  print(fmt::format("  {} bytes of stream, {} sections, {} devices ({} held against the vmdesc)\n",
                    scan.stream_bytes, found.sections, found.devices, found.described));
  print_digests(subject.sha256.value_or(""), file_sha256);
  if (found.end_is_inferred) {
    print("  without footers and vmdesc a cut file may look like this too\n");
  }
  if (found.lacks_vmdesc) {
    print(
        "  without the vmdesc that QEMU writes unless it is told not to: a stream that was\n"
        "  cut right behind its sections, which QEMU loads, looks like this too\n");
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
  for (auto& problem : problems) {
    problem.effect = vmstream::LoadEffect::Ignored;  // QEMU reads no index
    log.add(std::move(problem));
  }
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
  if (fault) {
    problems.add({.offset = 0,
                  .message = vmstream::describe(*fault),
                  .effect = vmstream::LoadEffect::Ignored});
  }
  add_all(problems, vmstream::check_positions(*state, made.facts.sha256));
}

// Of a plain file the digest of the stream is that of the file.
vmstream::Result<std::optional<std::string>> digest_file(const InspectOptions& options,
                                                         const Subject& subject,
                                                         vmstream::FileDigest& digest) {
  if (subject.containers.size() == 1) return subject.sha256;
  std::error_code unknown;
  // It would be read to the device's end, far behind what is saved on it.
  if (std::filesystem::is_block_file(options.file, unknown)) return std::optional<std::string>();
  auto finished = digest.finish();
  if (!finished) return finished.error();
  return std::optional(std::move(*finished));
}

vmstream::Result<Verified> examine(Session& session, const InspectOptions& options) {
  auto source = open_source(session, options);
  if (!source) return source.error();
  vmstream::FileDigest file_digest(std::move(*source));
  auto state = open_subject(session, options, file_digest.source());
  if (!state) return state.error();
  if (state->containers.size() == 1) file_digest.stop();
  Progress progress(session, "verify");
  vmstream::Sha256 digest;
  vmstream::Verifier verifier;
  vmstream::IndexBuilder indexer;
  auto scan = vmstream::scan_stream(
      *state->plain, verifier,
      {.digest = &digest,
       .also = &indexer,
       .on_progress = [&](const vmstream::StreamCounts& counts) { progress.update(counts); }});
  progress.enter("done");
  session.messages().erase_bar();
  if (scan.fault && !vmstream::is_stream_fault(*scan.fault)) return *scan.fault;
  state->plain.reset();
  Subject subject{options.file, state->containers, digest.finish()};
  auto file_sha256 = digest_file(options, subject, file_digest);
  if (!file_sha256) return file_sha256.error();
  auto found = verifier.finish(scan);
  auto index = indexer.finish(scan.plain_bytes, scan.stream_bytes, scan.complete());
  index.facts.sha256 = *subject.sha256;
  check_index(session, options, index, found.problems);
  if (auto going = session.check_interrupted(); !going) return going.error();
  uint64_t absent = scan.complete() ? absent_pages(index.facts) : 0;
  return Verified{std::move(subject), std::move(scan), std::move(found), std::move(*file_sha256),
                  absent};
}

ExitStatus verify_one(Session& session, const InspectOptions& options) {
  auto verified = examine(session, options);
  if (!verified) return session.fail(shown_name(options), verified.error());
  if (options.common.json) {
    print_json(verdict_json(*verified));
  } else {
    print_verdict(use_color(options.common.color, STDOUT_FILENO), *verified);
  }
  return judge(session, options, verified->scan, verified->found.problems);
}

std::string line_of(const Verified& verified) {
  std::string line = verdict(verified.found);
  if (verified.found.load.because) line += "; " + load_text(verified.found.load);
  if (verified.absent_pages > 0) {
    line += fmt::format("; pages of RAM not in it: {}", verified.absent_pages);
  }
  return line;
}

// Many files one after the other: rows of a list, and what is wrong with each on stderr.
class FileList {
 public:
  FileList(Session& session, const InspectOptions& options) : session_(session), one_(options) {}

  ExitStatus run(const std::vector<std::string>& files) {
    if (one_.common.json) rows_.open({{"schema", "vmstream.verify_files/1"}}, "files");
    for (const std::string& file : files) {
      one_.file = file;
      add();
      if (auto going = session_.check_interrupted(); !going) {
        return session_.fail(shown_name(one_), going.error());
      }
    }
    if (one_.common.json) rows_.close({{"ok", worst_ == ExitStatus::Done}});
    return worst_;
  }

 private:
  void add() {
    auto verified = examine(session_, one_);
    auto damage = verified ? first_damage(verified->scan, verified->found.problems)
                           : std::optional(verified.error());
    if (one_.common.json) {
      rows_.add(verified ? verdict_json(*verified) : failure_json(verified.error()));
    } else {
      print(fmt::format("{}: {}\n", vmstream::escape(shown_name(one_)),
                        verified ? line_of(*verified) : "NOT VERIFIED"));
    }
    if (!damage) return;
    session_.messages().error(shown_name(one_), *damage);
    worst_ = std::max(worst_, exit_status_of(damage->code));
  }

  ordered_json failure_json(const vmstream::Error& error) const {
    return {{"file", vmstream::escape(one_.file)},
            {"ok", false},
            {"message", error.message},
            {"offset", or_null(error.offset)}};
  }

  Session& session_;
  InspectOptions one_;
  JsonRows rows_;
  ExitStatus worst_ = ExitStatus::Done;
};

}  // namespace

ExitStatus verify(Session& session, const InspectOptions& options) {
  if (options.arguments.empty()) return verify_one(session, options);
  std::vector<std::string> files{options.file};
  files.insert(files.end(), options.arguments.begin(), options.arguments.end());
  return FileList(session, options).run(files);
}

}  // namespace vmtools
