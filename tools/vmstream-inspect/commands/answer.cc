// SPDX-License-Identifier: MIT
#include "vmstream-inspect/commands/answer.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>

#include <vmstream/byte_source.h>
#include <vmstream/partial_reading.h>
#include "common/around_file.h"
#include "common/progress.h"

namespace vminspect {

using vmstream::Errc;
using vmstream::Error;
using vmstream::Result;
using vmstream::StateFile;
using vmstream::Status;
using vmtools::ExitStatus;
using vmtools::Progress;
using vmtools::read_passphrase;
using vmtools::Session;

Result<StateFile> open_subject(Session& session, const InspectOptions& options,
                               bool page_channels) {
  auto limits = session.limits();
  auto passphrase = read_passphrase(options.passphrase, limits);
  if (!passphrase) return passphrase.error();
  vmstream::OpenOptions how{.decode = {.threads = options.common.threads, .limits = limits},
                            .page_channels = page_channels,
                            .openpgp = {.passphrase = *passphrase, .limits = limits}};
  if (options.multifd) how.parts = options.arguments;
  if (options.file != "-") {
    auto file = StateFile::open(options.file, std::move(how));
    if (file) vmtools::tell_of_image(session, options.file, *file, true);
    return file;
  }
  return StateFile::open({.stream = vmstream::make_fd_source(STDIN_FILENO, limits)},
                         std::move(how));
}

vmstream::RandomSource* by_position(StateFile& file) {
  auto plain = file.random();
  return plain ? *plain : nullptr;
}

vmstream::ScanResult scan_subject(Session& session, const InspectOptions& options, StateFile& file,
                                  vmstream::ByteSource& stream, vmstream::StreamVisitor& visitor,
                                  std::string_view what, vmstream::MappedPages pages,
                                  vmstream::Sha256* digest, vmstream::StreamVisitor* also) {
  Progress progress(session, what);
  // What stands behind a stream has no part in what it holds.
  constexpr uint64_t kTrailingRead = 1u << 20;
  vmstream::ScanOptions how{
      .digest = digest,
      .also = also,
      .on_progress = [&](const vmstream::StreamCounts& counts) { progress.update(counts); },
      .mapped_pages = pages,
      .trailing_bytes = options.full_scan ? UINT64_MAX : kTrailingRead};
  // Compressed blocks are decoded faster in a row, on all cores.
  vmstream::RandomSource* plain = file.is_packed() ? nullptr : by_position(file);
  auto scan = plain ? vmstream::scan_seekable(*plain, visitor, how)
                    : vmstream::scan_stream(stream, visitor, how);
  progress.enter("done");
  session.messages().erase_bar();
  return scan;
}

std::string shown_name(const InspectOptions& options) {
  return options.file == "-" ? "stdin" : options.file;
}

namespace {

Result<vmstream::StateIndex> read_tables(const vmstream::IndexReader& reader, IndexTables tables) {
  auto facts = reader.read_facts();
  if (!facts) return facts.error();
  vmstream::StateIndex index{.facts = std::move(*facts)};
  if (tables == IndexTables::Records) {
    auto records = reader.read_records();
    if (!records) return records.error();
    index.records = std::move(*records);
    return index;
  }
  auto pages = reader.read_pages();
  if (!pages) return pages.error();
  index.pages = std::move(*pages);
  return index;
}

}  // namespace

std::optional<vmstream::StateIndex> read_index(Session& session, const InspectOptions& options,
                                               StateFile& file, IndexTables tables) {
  if (options.full_scan) return std::nullopt;
  auto fault = file.index_fault();
  if (const auto* reader = file.index()) {
    auto index = read_tables(*reader, tables);
    if (index) return std::move(*index);
    fault = index.error();
  }
  if (fault) {
    session.messages().warning(shown_name(options),
                               "it is read without its index: " + vmstream::describe(*fault));
  }
  return std::nullopt;
}

namespace {

// Sees whether any section comes in slices that are wanted.
class SliceFinder final : public vmstream::StreamVisitor {
 public:
  explicit SliceFinder(const vmstream::SliceChoice& wanted) : wanted_(wanted) {}
  Status on_section(const vmstream::SectionHeader& header) override {
    bool in_slices = header.type != vmstream::SectionType::Full;
    found = found || (in_slices && wanted_ && wanted_(header));
    return vmstream::ok();
  }
  bool found = false;

 private:
  const vmstream::SliceChoice& wanted_;
};

}  // namespace

std::optional<StreamParts> read_parts(Session& session, const InspectOptions& options,
                                      StateFile& file, const vmstream::SliceChoice& wanted) {
  if (options.full_scan) return std::nullopt;
  vmstream::RandomSource* plain = by_position(file);
  if (auto index = read_index(session, options, file, IndexTables::Records)) {
    if (!plain || !vmstream::confirm_records(*index, plain)) return std::nullopt;
    auto pieces = vmstream::read_records(*index, *plain, wanted);
    if (!pieces) return std::nullopt;
    return StreamParts{std::move(*pieces), AnswerSource::Index};
  }
  if (!plain) return std::nullopt;
  auto ends = vmstream::read_stream_ends(*plain);
  if (!ends) return std::nullopt;
  SliceFinder slices(wanted);
  bool is_whole = vmstream::scan_ends(*ends, slices).complete();
  if (!is_whole || slices.found) return std::nullopt;
  return StreamParts{std::move(*ends), AnswerSource::Ends};
}

std::optional<Error> first_damage(const vmstream::ScanResult& scan,
                                  const vmstream::ProblemLog& problems) {
  if (scan.fault) return *scan.fault;
  if (problems.damage() == 0) return std::nullopt;
  const auto& kept = problems.kept();
  auto first = std::ranges::find(kept, false, &vmstream::Problem::known_flaw);
  if (first == kept.end()) first = kept.begin();
  std::string more =
      problems.damage() > 1 ? fmt::format(" (the first of {} problems)", problems.damage()) : "";
  return Error{Errc::Malformed, first->message + more, first->offset};
}

ExitStatus judge(Session& session, const InspectOptions& options, const vmstream::ScanResult& scan,
                 const vmstream::ProblemLog& problems) {
  auto damage = first_damage(scan, problems);
  return damage ? session.fail(shown_name(options), *damage) : ExitStatus::Done;
}

namespace {

// From the two ends of the stream, where they can be had alone and nothing in them is wrong.
std::optional<Reading> read_ends(const InspectOptions& options, StateFile& file,
                                 const std::function<vmstream::StreamVisitor&()>& start,
                                 const std::function<bool(const vmstream::ScanResult&)>& is_sound) {
  vmstream::RandomSource* plain = by_position(file);
  if (!plain) return std::nullopt;
  auto ends = vmstream::read_stream_ends(*plain);
  if (!ends) return std::nullopt;
  auto scan = vmstream::scan_ends(*ends, start());
  if (!scan.complete() || !is_sound(scan)) return std::nullopt;
  Subject subject{options.file, file.containers()};
  subject.source = AnswerSource::Ends;
  return Reading{scan, std::move(subject), false};
}

}  // namespace

Result<Reading> read_subject(Session& session, const InspectOptions& options,
                             const std::function<vmstream::StreamVisitor&()>& start,
                             const std::function<bool(const vmstream::ScanResult&)>& is_sound) {
  auto file = open_subject(session, options);
  if (!file) return file.error();
  if (!options.full_scan) {
    if (auto reading = read_ends(options, *file, start, is_sound)) return *reading;
  }
  auto stream = file->stream();
  if (!stream) return stream.error();
  auto scan = scan_subject(session, options, *file, **stream, start(), "read",
                           vmstream::MappedPages::Places);
  if (scan.fault && !vmstream::is_stream_fault(*scan.fault)) return *scan.fault;
  return Reading{scan, {options.file, file->containers()}};
}

}  // namespace vminspect
