// SPDX-License-Identifier: MIT
#include "guest/capture/mapped_save.h"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

#include <vmstream/digest.h>
#include <vmstream/indexing.h>
#include <vmstream/random_source.h>
#include <vmstream/text.h>
#include <vmstream/visitor.h>
#include "format/stream/stream_counter.h"
#include "io/wait.h"
#include "pipeline/ordered_pipeline.h"
#include "state/wanted_feed.h"

namespace vmstream {
namespace {

// What the file says of itself, besides the index.
class FileFacts final : public StreamCounter {
 public:
  Status on_configuration(const Configuration& configuration) override {
    machine = escape(configuration.machine);
    return ok();
  }
  Status on_page(const Page& page) override {
    if (page.kind == PageKind::Data) stored_bytes += page.size;
    return StreamCounter::on_page(page);
  }

  std::string machine;
  uint64_t stored_bytes = 0;
};

Result<std::unique_ptr<RandomSource>> open_written(const OutputFile& file, WaitLimits limits) {
  return open_random_file(fmt::format("/proc/self/fd/{}", file.descriptor()), limits);
}

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

}  // namespace

unsigned channel_count(const CaptureOptions& options) {
  constexpr unsigned kMostChannels = 255;  // that QEMU takes
  return std::min(count_threads(static_cast<unsigned>(options.threads)), kMostChannels);
}

// QEMU leaves direct I/O to the channels.
bool writes_in_parallel(const CaptureOptions& options) {
  return options.mapped_ram && (options.mapped_ram->direct_io || channel_count(options) > 1);
}

MappedSave::MappedSave(QmpClient& qmp, const CaptureOptions& options, CaptureObserver* observer)
    : qmp_(qmp), options_(options), observer_(observer) {}

Status MappedSave::check(const MigrationSettings& settings) const {
  if (!settings.knows_capability("mapped-ram")) {
    return Error{.code = Errc::Unsupported,
                 .message = fmt::format("QEMU {} writes no mapped-ram files, 9.0 was the first",
                                        qmp_.qemu_version()),
                 .hint = "without --mapped-ram the file is written by vmdump"};
  }
  if (!qmp_.can_pass_fds()) {
    return Error{.code = Errc::Unsupported,
                 .message = "a TCP monitor cannot hand QEMU the file that it is to write",
                 .hint = "give QEMU a monitor on a unix socket, or leave out --mapped-ram"};
  }
  if (!options_.mapped_ram->direct_io || settings.knows_parameter("direct-io")) return ok();
  return Error{
      .code = Errc::Unsupported,
      .message = fmt::format("QEMU {} has no direct I/O for mapped-ram files", qmp_.qemu_version()),
      .hint = "leave out --direct-io"};
}

Status MappedSave::await_end(MonitorListener& listener) {
  MonitorWatch watch(
      qmp_, options_.limits, [] {}, &listener);
  for (;;) {
    if (auto heard = watch.listen(); !heard) return heard;
    auto status = query_migration(qmp_);
    if (!status) return status.error();
    report(*status);
    if (!status->is_over()) continue;
    write_seconds_ = seconds_since(start_);
    return ok();
  }
}

void MappedSave::report(const MigrationStatus& status) {
  if (!status.ram) return;
  ram_ = *status.ram;
  if (!observer_) return;
  observer_->on_progress(
      {.stream_bytes = ram_.bytes_sent,
       .guest_bytes = ram_.total_bytes,
       .pages = ram_.pages_sent,
       .page_bytes = ram_.total_bytes - std::min(ram_.total_bytes, ram_.bytes_left)});
}

Result<CaptureSummary> MappedSave::survey(const OutputFile& file, const LiveSave* live,
                                          CaptureCircumstances how) {
  auto written = open_written(file, options_.limits);
  if (!written) return written.error();
  FileFacts facts;
  IndexBuilder builder;
  VisitorList visitors{&facts, options_.index ? &builder : nullptr};
  StreamParser parser(visitors, {}, {.mapped_pages = MappedPages::Places});
  if (auto whole = WantedFeed(**written, parser).run(); !whole) return whole.error();
  CaptureSummary summary;
  summary.counts = facts.counts;
  summary.machine = facts.machine;
  summary.counts.stream_bytes = parser.stream_length();
  auto sha256 = digest(**written);
  if (!sha256) return sha256.error();
  summary.sha256 = *sha256;
  summary.passes = live ? live->passes(ram_) : std::vector<CapturePass>{};
  if (!live) summary.passes.push_back({facts.counts.pages, facts.stored_bytes, write_seconds_});
  if (options_.index) {
    give_index(builder.finish(parser.offset(), parser.stream_length(), true), summary,
               std::move(how));
  }
  summary.total_seconds = seconds_since(start_);
  return summary;
}

// Of all bytes, holes too.
Result<std::string> MappedSave::digest(RandomSource& file) const {
  if (!options_.digest) return std::string();
  Sha256 sha256;
  auto whole = make_stretch_source(file, 0, file.length());
  for (;;) {
    auto bytes = whole->next();
    if (!bytes) return bytes.error();
    if (bytes->empty()) return sha256.finish();
    sha256.update(*bytes);
  }
}

void MappedSave::give_index(StateIndex index, const CaptureSummary& summary,
                            CaptureCircumstances how) const {
  index.facts.sha256 = summary.sha256;
  for (const CapturePass& pass : summary.passes) {
    index.facts.passes.push_back({pass.pages, pass.bytes, pass.seconds});
  }
  how.vmstream_version = version();
  index.facts.capture = std::move(how);
  options_.index(std::move(index));
}

}  // namespace vmstream
