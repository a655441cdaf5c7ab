// SPDX-License-Identifier: MIT
#include "vmstream-inspect/commands/commands.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <nlohmann/json.hpp>

#include <vmstream/indexing.h>
#include <vmstream/output_file.h>
#include <vmstream/state_file.h>
#include <vmstream/text.h>
#include "common/around_file.h"
#include "common/output.h"
#include "common/progress.h"
#include "common/terminal.h"
#include "vmstream-inspect/commands/answer.h"

namespace vminspect {

using vmtools::ExitStatus;
using vmtools::print;
using vmtools::print_json;
using vmtools::Progress;
using vmtools::Session;

namespace {

using nlohmann::ordered_json;
using vmstream::Errc;
using vmstream::Error;
using vmstream::MadeIndex;
using vmstream::Result;
using vmstream::StateFile;
using vmstream::StateIndex;

// An index of half a stream would be no index.
Result<StateIndex> read_stream(Session& session, vmstream::ByteSource& stream) {
  Progress progress(session, "index");
  vmstream::IndexBuilder builder;
  vmstream::Sha256 digest;
  auto scan = vmstream::scan_stream(
      stream, builder,
      {.digest = &digest,
       .on_progress = [&](const vmstream::StreamCounts& counts) { progress.update(counts); }});
  progress.enter("done");
  session.messages().erase_bar();
  if (scan.fault) return *scan.fault;
  if (!scan.complete()) return scan.gaps.front().fault;
  auto index = builder.finish(scan.plain_bytes, scan.stream_bytes, true);
  index.facts.sha256 = digest.finish();
  return index;
}

Result<MadeIndex> index_file(Session& session, StateFile& file) {
  return file.make_index(
      {.read = [&](vmstream::ByteSource& stream) { return read_stream(session, stream); }});
}

// The file on the disk, whichever snapshot of it is meant.
std::string file_of(const InspectOptions& options) {
  return vmstream::StateName::parse(options.file).file;
}

// Somebody else may have made a link or a FIFO of the name that a sidecar has.
bool may_be_sidecar(const std::string& path) {
  std::error_code unknown;
  auto type = std::filesystem::symlink_status(path, unknown).type();
  return type == std::filesystem::file_type::not_found ||
         type == std::filesystem::file_type::regular;
}

vmstream::Status write_file(const InspectOptions& options, const std::string& path,
                            std::span<const std::byte> bytes, vmstream::WaitLimits limits) {
  auto overwrite = options.force ? vmstream::Overwrite::Replace : vmstream::Overwrite::Refuse;
  if (auto apart = vmstream::require_other_file(path, file_of(options)); !apart) return apart;
  if (!options.output && !may_be_sidecar(path)) {
    return Error{Errc::Refused, "exists already and is no regular file; it stays"};
  }
  auto file = vmstream::OutputFile::create(path, overwrite, limits);
  if (!file) return file.error();
  if (auto written = (*file)->write(bytes); !written) return written;
  return (*file)->commit_file();
}

vmstream::Status write_to_stdout(Session& session, const InspectOptions& options,
                                 std::span<const std::byte> bytes) {
  auto fit = vmtools::refuse_binary_to_terminal(STDOUT_FILENO, options.force);
  if (!fit) return fit;
  auto sink = vmstream::make_fd_sink(STDOUT_FILENO, session.limits());
  if (auto written = sink->write(bytes); !written) return written;
  return sink->finish();
}

uint64_t count_runs(const StateIndex& index) {
  uint64_t runs = 0;
  if (!index.pages) return runs;
  for (size_t i = 0; i < index.pages->block_count(); ++i) runs += index.pages->runs(i).size();
  return runs;
}

void report_json(const Subject& subject, const std::string& path, const MadeIndex& made) {
  const StateIndex& index = *made.index;
  auto json = opening_json("vmstream.index/1", subject);
  json["index"] = path;
  json["index_bytes"] = made.bytes->size();
  json["sha256"] = index.facts.sha256;
  json["plain_bytes"] = index.facts.plain_bytes;
  json["records"] = index.records ? ordered_json(index.records->size()) : ordered_json(nullptr);
  json["page_runs"] = index.pages ? ordered_json(count_runs(index)) : ordered_json(nullptr);
  json["by_position"] = made.by_position;
  json["left_out"] = index.facts.left_out;
  print_json(json);
}

// Why the file can be read from front to end only.
std::string_view reason_of(const std::vector<vmstream::Container>& containers) {
  auto holds = [&](std::string_view type) {
    return std::ranges::find(containers, type, &vmstream::Container::type) != containers.end();
  };
  if (holds("openpgp")) return "it is an OpenPGP message";
  if (holds("vma") || holds("libxl")) return "the container in it is packed";
  return "its blocks are too large";
}

void report_text(const InspectOptions& options, const std::string& path, const MadeIndex& made,
                 const std::vector<vmstream::Container>& containers) {
  const StateIndex& index = *made.index;
  print(fmt::format("{}: index of {}, {}\n", vmstream::escape(path), shown_name(options),
                    vmstream::format_size(made.bytes->size())));
  if (index.records) print(fmt::format("  {} records of the stream\n", index.records->size()));
  if (index.pages) print(fmt::format("  {} runs of pages\n", count_runs(index)));
  for (const auto& part : index.facts.left_out) {
    print(fmt::format("  left out: {}\n", vmstream::escape(part)));
  }
  if (!made.by_position) {
    print(fmt::format("  the file itself can still be read from front to end only: {}\n",
                      reason_of(containers)));
  }
}

}  // namespace

ExitStatus make_index(Session& session, const InspectOptions& options) {
  if (options.file == "-") {
    return session.fail("stdin", Error{Errc::Usage, "an index belongs to a file, stdin is none"});
  }
  std::string path = options.output.value_or(vmstream::sidecar_path(options.file));
  auto file = StateFile::open(
      options.file,
      {.decode = {.threads = options.common.threads, .limits = session.limits()}, .sidecar = ""});
  if (!file) return session.fail(shown_name(options), file.error());
  vmtools::tell_of_image(session, options.file, *file, true);
  auto made = index_file(session, *file);
  if (!made) return session.fail(shown_name(options), made.error());
  bool to_stdout = path == "-";
  auto written = to_stdout ? write_to_stdout(session, options, *made->bytes)
                           : write_file(options, path, *made->bytes, session.limits());
  if (!written) return session.fail(to_stdout ? "stdout" : path, written.error());
  if (to_stdout) return ExitStatus::Done;
  if (options.common.json) {
    report_json({options.file, file->containers()}, path, *made);
  } else {
    report_text(options, path, *made, file->containers());
  }
  return ExitStatus::Done;
}

}  // namespace vminspect
