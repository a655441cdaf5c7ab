// SPDX-License-Identifier: MIT
// A saved guest handed over as the source of a postcopy migration would.
#include <vmstream/lazy_restore.h>

#include <fmt/format.h>

#include <algorithm>

#include <vmstream/text.h>
#include "base/json.h"
#include "guest/lazy/page_server.h"
#include "guest/lazy/postcopy_capability.h"
#include "guest/lazy/postcopy_channel.h"
#include "guest/lazy/postcopy_opening.h"
#include "guest/lazy/save_mark.h"
#include "guest/lazy/working_set.h"
#include "guest/migration/migration_link.h"
#include "guest/monitor/query.h"
#include "guest/restore/incoming_guest.h"

namespace vmstream {
namespace {

constexpr auto kLastWords = std::chrono::seconds(2);

// What both ways into a lazy restore share.
class LazyRestore {
 public:
  LazyRestore(const LazyFile& file, QmpClient& qmp, const LazyOptions& options,
              LazyObserver* observer)
      : file_(file), qmp_(qmp), options_(options), observer_(observer ? *observer : silent_) {}

  Result<LazySummary> run();
  Result<LazySummary> resume();

 private:
  Status prepare();
  void count_absent();
  LazyCounts complete(LazyCounts counts) const;
  Status set_run_state(const LazyReader& reader);
  Status connect(const char* command);
  Status begin();
  void leave_mark();
  Status check_mark();
  Status hand_over_devices();
  Status deliver(bool loaded);
  Error explain(const Error& error, bool loaded);
  Result<LazySummary> finish();
  double seconds() const { return std::chrono::duration<double>(Clock::now() - start_).count(); }

  const LazyFile& file_;
  QmpClient& qmp_;
  const LazyOptions& options_;
  LazyObserver silent_;
  LazyObserver& observer_;
  Clock::time_point start_ = Clock::now();

  std::optional<LazyReader> reader_;
  std::optional<SaveMark> mark_;
  std::vector<ServedBlock> blocks_;
  uint64_t absent_pages_ = 0;
  RamSection section_;
  std::vector<UnitRange> order_;
  std::optional<DeliveryLedger> ledger_;
  std::optional<MigrationLink> link_;
  std::optional<PostcopyChannel> channel_;
  LazySummary summary_;
};

// Everything that can fail without QEMU's having been sent a byte.
Status LazyRestore::prepare() {
  auto reader = file_.open_reader(LazyCache::kScattered, options_.limits);
  if (!reader) return reader.error();
  reader_.emplace(std::move(*reader));
  auto mark = SaveMark::make(*reader_, file_.index(), options_.limits);
  if (!mark) return mark.error();
  mark_.emplace(std::move(*mark));
  auto section = find_ram_section(file_.index());
  if (!section) return section.error();
  section_ = *section;
  auto blocks = served_blocks(file_.index(), query_host_pages(qmp_));
  if (!blocks) return blocks.error();
  blocks_ = std::move(*blocks);
  count_absent();
  ledger_.emplace(blocks_);
  order_ = units_in_file_order(*file_.index().pages, blocks_);
  for (const UnitRange& range : order_) ledger_->want(range);
  if (!options_.early) return ok();
  auto early = units_of(*options_.early, blocks_);
  order_.insert(order_.begin(), early.begin(), early.end());
  return ok();
}

void LazyRestore::count_absent() {
  absent_pages_ = vmstream::count_absent(*reader_);
  if (absent_pages_ > 0) observer_.on_warning(absence_words(absent_pages_));
}

LazyCounts LazyRestore::complete(LazyCounts counts) const {
  counts.absent_pages = absent_pages_;
  return counts;
}

// Before the load `stop` and `cont` are QEMU's way to say whether the guest shall start after it.
// In postcopy QEMU does not look at the run state that was saved.
Status LazyRestore::set_run_state(const LazyReader& reader) {
  RunState wanted = options_.run_state;
  if (wanted == RunState::AsSaved) {
    auto ran = was_saved_running(reader, file_.index());
    if (!ran) return ran.error();
    if (!*ran) wanted = RunState::Paused;
  }
  if (wanted == RunState::AsSaved) return ok();
  auto done = qmp_.execute(wanted == RunState::Paused ? "stop" : "cont");
  if (!done) return done.error();
  return ok();
}

Status LazyRestore::connect(const char* command) {
  auto opened = MigrationLink::open(qmp_, MigrationLink::Direction::BothWays);
  if (!opened) return opened.error();
  link_.emplace(std::move(*opened));
  auto begun = qmp_.execute(command, to_text({{"uri", link_->uri()}}));
  if (!begun) {
    MigrationLink::forget(qmp_);
    return begun.error();
  }
  if (auto met = link_->await_peer(qmp_, options_.limits); !met) return met;
  channel_.emplace(link_->descriptor());
  return ok();
}

Status LazyRestore::begin() {
  if (auto set = set_run_state(*reader_); !set) return set;
  leave_mark();
  return connect("migrate-incoming");
}

void LazyRestore::leave_mark() {
  if (auto left = mark_->leave(qmp_); !left) {
    observer_.on_warning(
        fmt::format("QEMU takes no mark of this save: if the restore breaks off, "
                    "nothing will tell that --resume-lazy gets the same file ({})",
                    left.error().message));
  }
}

// The pages of another save would be mixed with those that are there.
Status LazyRestore::check_mark() {
  auto is_marked = mark_->check(qmp_);
  if (!is_marked) return is_marked.error();
  if (!*is_marked) {
    observer_.on_warning("QEMU does not tell which save its guest is of: it must be this one");
  }
  return ok();
}

Status LazyRestore::hand_over_devices() {
  auto sink = make_fd_sink(link_->descriptor(), options_.limits);
  return write_opening(*reader_, file_.index(), blocks_, *sink, [this] {
    observer_.on_point_of_no_return();
    return ok();
  });
}

Status LazyRestore::deliver(bool loaded) {
  std::unique_ptr<PageReadahead> push;
  if (options_.push) {
    auto opened =
        PageReadahead::open(file_, blocks_, std::move(order_), options_.threads, options_.limits);
    if (!opened) return opened.error();
    push = std::move(*opened);
  }
  auto on_loaded = [this] {
    summary_.loaded_seconds = seconds();
    observer_.on_loaded(summary_.loaded_seconds);
  };
  PageServer server(
      {*channel_, *reader_, blocks_, section_, *ledger_, push.get()},
      {.max_push_bandwidth = options_.max_push_bandwidth,
       .record_time = options_.record_time,
       .monitor = &qmp_,
       .limits = options_.limits,
       .loaded = loaded,
       .on_loaded = on_loaded,
       .on_progress = [this](const auto& counts) { observer_.on_progress(complete(counts)); }});
  auto served = server.serve();
  summary_.counts = complete(server.counts());
  summary_.working_set = working_set_of(server.asked(), blocks_);
  if (served) return ok();
  return explain(served.error(), server.loaded());
}

// QEMU knows best why it closed the connection; and a guest that runs is not lost.
Error LazyRestore::explain(const Error& error, bool loaded) {
  link_.reset();
  if (!loaded && error.code == Errc::Environment) {
    auto load = explain_broken_load(qmp_, options_.limits, error);
    if (load) return error;
    if (load.error().code == Errc::Environment) observer_.on_refusal(load.error().message);
    return load.error();
  }
  if (!loaded) return error;
  qmp_.set_limits({.deadline = Clock::now() + kLastWords});
  auto status = query_migration(qmp_);
  Error told = error;
  if (status || status.error().code == Errc::TimedOut) {
    told.hint = "the guest waits for the rest of its memory: vmrestore --resume-lazy goes on";
  } else {
    told.message = "QEMU ended before it had all of its guest's memory";
  }
  return told;
}

Result<LazySummary> LazyRestore::finish() {
  if (auto loaded = await_loaded(qmp_, options_.limits); !loaded) return loaded.error();
  auto state = query_run_status(qmp_);
  if (!state) return state.error();
  mark_->remove(qmp_);
  summary_.run_state = state->name;
  summary_.total_seconds = seconds();
  return std::move(summary_);
}

Result<LazySummary> LazyRestore::run() {
  if (auto looked = require_waiting(qmp_); !looked) return looked.error();
  if (auto prepared = prepare(); !prepared) return prepared.error();
  PostcopyCapability capability(qmp_);
  if (auto on = capability.switch_on(); !on) return on.error();
  if (auto begun = begin(); !begun) {
    mark_->remove(qmp_);
    [[maybe_unused]] auto off = capability.put_back();  // QEMU waits as it did before
    return begun.error();
  }
  if (auto handed = hand_over_devices(); !handed) return explain(handed.error(), false);
  if (auto delivered = deliver(false); !delivered) return delivered.error();
  auto summary = finish();
  if (!summary) return summary;
  if (auto off = capability.put_back(); !off) observer_.on_warning(off.error().message);
  return summary;
}

Result<LazySummary> LazyRestore::resume() {
  auto status = query_migration(qmp_);
  if (!status) return status.error();
  if (status->name != "postcopy-paused") {
    return Error{Errc::Environment,
                 fmt::format("there is no lazy restore to go on with: migration status '{}', "
                             "wanted 'postcopy-paused'",
                             status->name)};
  }
  if (auto prepared = prepare(); !prepared) return prepared.error();
  if (auto same = check_mark(); !same) return same.error();
  if (auto connected = connect("migrate-recover"); !connected) return connected.error();
  auto recovered = recover_postcopy(*channel_, blocks_, *ledger_, options_.limits);
  if (!recovered) return explain(recovered.error(), true);
  if (auto delivered = deliver(true); !delivered) return delivered.error();
  return finish();
}

}  // namespace

Result<LazySummary> restore_lazily(const LazyFile& file, QmpClient& qmp, const LazyOptions& options,
                                   LazyObserver* observer) {
  qmp.set_limits(options.limits);
  return LazyRestore(file, qmp, options, observer).run();
}

Result<LazySummary> resume_lazily(const LazyFile& file, QmpClient& qmp, const LazyOptions& options,
                                  LazyObserver* observer) {
  qmp.set_limits(options.limits);
  return LazyRestore(file, qmp, options, observer).resume();
}

}  // namespace vmstream
