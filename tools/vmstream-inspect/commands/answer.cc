// SPDX-License-Identifier: MIT
#include "vmstream-inspect/commands/answer.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>

#include <vmstream/byte_source.h>
#include <vmstream/partial_reading.h>
#include <vmstream/seekable_state.h>
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

Result<std::unique_ptr<vmstream::ByteSource>> open_source(Session& session,
                                                          const InspectOptions& options) {
  if (options.file == "-") return vmstream::make_fd_source(STDIN_FILENO, session.limits());
  return vmstream::open_file_source(options.file, session.limits());
}

Result<StateFile> open_subject(Session& session, const InspectOptions& options,
                               std::unique_ptr<vmstream::ByteSource> source, bool page_channels) {
  auto limits = session.limits();
  auto passphrase = read_passphrase(options.passphrase, limits);
  if (!passphrase) return passphrase.error();
  return vmstream::open_state(std::move(source),
                              {.decode = {.threads = options.common.threads, .limits = limits},
                               .page_channels = page_channels,
                               .openpgp = {.passphrase = *passphrase, .limits = limits}});
}

Result<StateFile> open_subject(Session& session, const InspectOptions& options) {
  auto source = open_source(session, options);
  if (!source) return source.error();
  return open_subject(session, options, std::move(*source));
}

std::optional<vmstream::SeekableState> open_by_position(Session& session,
                                                        const InspectOptions& options) {
  if (options.file == "-") return std::nullopt;
  return vmstream::open_seekable_state(options.file, session.limits());
}

vmstream::ScanResult scan_subject(Session& session, const InspectOptions& options, StateFile& state,
                                  vmstream::StreamVisitor& visitor, std::string_view what,
                                  vmstream::MappedPages pages, vmstream::Sha256* digest,
                                  vmstream::StreamVisitor* also) {
  Progress progress(session, what);
  // What stands behind a stream has no part in what it holds.
  constexpr uint64_t kTrailingRead = 1u << 20;
  vmstream::ScanOptions how{
      .digest = digest,
      .also = also,
      .on_progress = [&](const vmstream::StreamCounts& counts) { progress.update(counts); },
      .mapped_pages = pages,
      .trailing_bytes = options.full_scan ? UINT64_MAX : kTrailingRead};
  auto seekable = open_by_position(session, options);
  // Compressed blocks are decoded faster in a row, on all cores.
  bool by_position = seekable && seekable->plain() && !seekable->is_packed;
  auto scan = by_position ? vmstream::scan_seekable(*seekable->plain(), visitor, how)
                          : vmstream::scan_stream(*state.plain, visitor, how);
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

std::optional<IndexedSubject> open_indexed(Session& session, const InspectOptions& options,
                                           IndexTables tables) {
  if (options.full_scan) return std::nullopt;
  auto state = open_by_position(session, options);
  if (!state) return std::nullopt;
  auto fault = state->index_fault;
  if (state->index) {
    auto index = read_tables(*state->index, tables);
    if (index) return IndexedSubject{std::move(*state), std::move(*index)};
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
                                      const vmstream::SliceChoice& wanted) {
  if (options.full_scan) return std::nullopt;
  if (auto indexed = open_indexed(session, options, IndexTables::Records)) {
    vmstream::RandomSource* plain = indexed->state.plain();
    if (!plain || !vmstream::confirm_records(indexed->index, plain)) return std::nullopt;
    auto pieces = vmstream::read_records(indexed->index, *plain, wanted);
    if (!pieces) return std::nullopt;
    return StreamParts{std::move(*pieces), AnswerSource::Index};
  }
  auto state = open_by_position(session, options);
  if (!state || !state->plain()) return std::nullopt;
  auto ends = vmstream::read_stream_ends(*state->plain());
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
std::optional<Reading> read_ends(Session& session, const InspectOptions& options,
                                 const std::function<vmstream::StreamVisitor&()>& start,
                                 const std::function<bool(const vmstream::ScanResult&)>& is_sound) {
  auto state = open_by_position(session, options);
  if (!state || !state->plain()) return std::nullopt;
  auto ends = vmstream::read_stream_ends(*state->plain());
  if (!ends) return std::nullopt;
  auto scan = vmstream::scan_ends(*ends, start());
  if (!scan.complete() || !is_sound(scan)) return std::nullopt;
  Subject subject{options.file, state->containers};
  subject.source = AnswerSource::Ends;
  return Reading{scan, std::move(subject), false};
}

}  // namespace

Result<Reading> read_subject(Session& session, const InspectOptions& options,
                             const std::function<vmstream::StreamVisitor&()>& start,
                             const std::function<bool(const vmstream::ScanResult&)>& is_sound) {
  if (!options.full_scan) {
    if (auto reading = read_ends(session, options, start, is_sound)) return *reading;
  }
  auto state = open_subject(session, options);
  if (!state) return state.error();
  auto scan =
      scan_subject(session, options, *state, start(), "read", vmstream::MappedPages::Places);
  if (scan.fault && !vmstream::is_stream_fault(*scan.fault)) return *scan.fault;
  return Reading{scan, {options.file, state->containers}};
}

}  // namespace vminspect
