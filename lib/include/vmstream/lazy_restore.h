// SPDX-License-Identifier: MIT
// Bringing a guest back at once: it runs while its memory is still on its way.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <vmstream/qmp.h>
#include <vmstream/ram_image.h>
#include <vmstream/random_source.h>
#include <vmstream/restore.h>
#include <vmstream/state_file.h>
#include <vmstream/state_index.h>

namespace vmstream {

struct LazyReader;

/// How a lazy file is opened.
struct LazyFileOptions {
  IndexingObserver observer = {};
  /// Reads all of the stream first, judges it and gives its index. Nothing that the file says of
  /// itself is believed then, and readers give what was judged, or an error.
  std::function<Result<StateIndex>(ByteSource& stream)> judge = {};
  /// What the user said to have it read by position, for the way out that a refusal tells.
  std::string wanted_by = "--lazy";
  /// Streams of a postcopy migration are taken too: not for restore_lazily().
  bool takes_postcopy = false;
};

/// A state file that can be read by position and whose index says where each page stands. A plain
/// value; all readers share the descriptor of the file.
class LazyFile {
 public:
  /// A file without an index is read through, and the index is kept in memory.
  ///
  /// Errc::Unsupported for files that cannot be read by position (encrypted, a container within
  /// another) and for streams that QEMU cannot take this way, Errc::Malformed or Errc::Truncated
  /// for those that are not whole as far as the index says.
  static Result<LazyFile> open(StateFile file, const LazyFileOptions& options = {});

  const std::vector<Container>& containers() const { return file_->containers(); }
  /// With records and a page map.
  const StateIndex& index() const { return *index_; }
  const std::shared_ptr<const StateIndex>& shared_index() const { return index_; }
  /// See StateFile::new_sidecar().
  std::shared_ptr<const std::vector<std::byte>> new_sidecar() const { return file_->new_sidecar(); }

  /// For the library: one more reader of the file, which keeps at most `cache_bytes` of decoded
  /// blocks and reads within `limits`. Errc::Environment where the file can no longer be read as it
  /// was.
  Result<LazyReader> open_reader(size_t cache_bytes, WaitLimits limits = {}) const;

 private:
  LazyFile(StateFile file, std::shared_ptr<const StateIndex> index)
      : file_(std::make_shared<const StateFile>(std::move(file))), index_(std::move(index)) {}

  std::shared_ptr<const StateFile> file_;
  std::shared_ptr<const StateIndex> index_;
};

/// Pages of a guest that one run asked for, in that order, for the next run to have them early.
struct WorkingSet {
  /// Consecutive pages of a block.
  struct Range {
    std::string block;    ///< not escaped
    uint64_t offset = 0;  ///< bytes from the block's begin
    uint64_t length = 0;  ///< bytes
    bool operator==(const Range&) const = default;
  };
  std::vector<Range> ranges;

  /// A line a range: offset, length, escaped name. Text of other kinds is Errc::Malformed.
  std::string to_text() const;
  static Result<WorkingSet> parse(std::string_view text);
};

/// How far a lazy restore has come.
struct LazyCounts {
  uint64_t requests = 0;  ///< for pages, of guest and devices
  /// Of these, the ones for pages that had all been sent before. Nothing was served for them, so
  /// they count in no time of service.
  uint64_t requests_already_sent = 0;
  uint64_t served_pages = 0;  ///< because they were asked for
  uint64_t pushed_pages = 0;  ///< without
  uint64_t lost_pages = 0;    ///< that cannot be read
  /// Of which the index has no record: never sent, as far as it says, and zero in the guest.
  uint64_t absent_pages = 0;
  uint64_t left_bytes = 0;  ///< that must still be delivered; zeros need not
  uint64_t sent_bytes = 0;  ///< to QEMU
  // From the arrival of a request to the moment when its pages have been handed to the system.
  double median_service_seconds = 0;
  double p99_service_seconds = 0;
  double worst_service_seconds = 0;
};

/// Told how far a lazy restore has come; called from the restoring thread.
class LazyObserver {
 public:
  virtual ~LazyObserver() = default;
  /// The devices are about to be handed on: from here on the guest may run.
  virtual void on_point_of_no_return() {}
  /// QEMU has loaded the devices; the guest is in the run state that was asked for.
  virtual void on_loaded(double /*seconds*/) {}
  virtual void on_progress(const LazyCounts&) {}
  virtual void on_warning(const std::string&) {}
  /// QEMU did not take the devices; `words` have its reason as far as its monitor tells it.
  virtual void on_refusal(const std::string& /*words*/) {}
};

/// How a guest is brought back that runs before its memory is there.
struct LazyOptions {
  RunState run_state = RunState::AsSaved;
  bool push = true;  ///< send what nobody has asked for; else that stays in the file
  /// Pushed before everything else. Borrowed; may be null.
  const WorkingSet* early = nullptr;
  std::optional<uint64_t> max_push_bandwidth = std::nullopt;  ///< bytes a second
  unsigned threads = 0;                                       ///< that read ahead; 0: one a core
  /// For how long after the load requests are kept for LazySummary::working_set.
  std::chrono::milliseconds record_time = std::chrono::seconds(10);
  WaitLimits limits = {};
};

/// A guest that has all of its memory.
struct LazySummary {
  LazyCounts counts;
  std::string run_state;      ///< QEMU's own word, such as "running"
  double loaded_seconds = 0;  ///< until on_loaded()
  double total_seconds = 0;
  WorkingSet working_set;  ///< what was asked for, early pages that were pushed in front
};

/// Restores into a QEMU that waits with `-incoming defer`, as the source of a postcopy migration,
/// and returns when the guest has all of its memory and the file is no longer needed. Fails before
/// anything is sent where QEMU, or the host's kernel, has no postcopy.
///
/// A page that cannot be read, or fails its checksum, is not delivered: the rest is, and then the
/// error says which page it was. A virtual CPU that touches such a page waits. After an error
/// behind on_loaded() the guest waits in QEMU's state "postcopy-paused" for resume_lazily().
///
/// Memory: the index, and at most 140 MiB (100 with two threads), whatever the guest's size.
Result<LazySummary> restore_lazily(const LazyFile& file, QmpClient& qmp, const LazyOptions& options,
                                   LazyObserver* observer = nullptr);

/// Goes on with a guest that restore_lazily() left behind, from the same file or a copy of it, be
/// it packed in another way. Errc::Refused if the file is another save: restore_lazily() leaves a
/// mark in QEMU, the name of an object, and takes it away at the end. The run state is left as it
/// is.
Result<LazySummary> resume_lazily(const LazyFile& file, QmpClient& qmp, const LazyOptions& options,
                                  LazyObserver* observer = nullptr);

/// The QMP commands of a lazy restore, as text. `address` may be null.
std::string explain_lazy_restore(const QmpAddress* address, RunState run_state);
/// The same of one that is gone on with.
std::string explain_lazy_recovery(const QmpAddress& address);

}  // namespace vmstream
