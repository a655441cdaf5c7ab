// SPDX-License-Identifier: MIT
// Delivers a guest's memory: what is asked for first, everything else behind.
#pragma once

#include <deque>
#include <functional>
#include <string_view>
#include <unordered_map>

#include <vmstream/lazy_restore.h>
#include "guest/lazy/latency_histogram.h"
#include "guest/lazy/lazy_reader.h"
#include "guest/lazy/lost_units.h"
#include "guest/lazy/page_readahead.h"
#include "guest/lazy/part_writer.h"
#include "guest/lazy/postcopy_channel.h"
#include "guest/monitor/monitored_io.h"

namespace vmstream {

/// What a page server works with. All is borrowed.
struct PageServing {
  PostcopyChannel& channel;
  LazyReader& reader;
  const std::vector<ServedBlock>& blocks;
  RamSection section;
  DeliveryLedger& ledger;
  PageReadahead* push = nullptr;  ///< null: only what is asked for is sent
};

struct PageServerOptions {
  std::optional<uint64_t> max_push_bandwidth = std::nullopt;
  Clock::duration record_time = std::chrono::seconds(10);
  /// Asked whether QEMU has loaded the devices; its events are taken in and dropped meanwhile.
  QmpClient* monitor = nullptr;
  WaitLimits limits = {};
  bool loaded = false;  ///< the devices are, and the guest was running before
  std::function<void()> on_loaded = {};
  std::function<void(const LazyCounts&)> on_progress = {};  ///< several times a second
};

/// The source's part from the end of the package on. Memory does not depend on what QEMU says:
/// while many requests are open no more are read. One thread, which never waits for anything but
/// all of its descriptors at once; only a page that was asked for is read on it.
class PageServer {
 public:
  PageServer(const PageServing& serving, PageServerOptions options);

  /// Serves until QEMU says that it has everything. An error of a page that could not be read comes
  /// after all others have been delivered.
  Status serve();

  bool loaded() const { return loaded_; }
  LazyCounts counts() const;
  /// Ranges asked for within the time to record, in that order: the first quarter million.
  const std::vector<UnitRange>& asked() const { return asked_; }

 private:
  struct Request {
    UnitRange range;
    Clock::time_point arrival;
  };

  Status hear();
  Status obey(const ReturnMessage& message);
  void await_run();
  void note_loaded();
  bool may_hear() const;
  Status note_request(const ReturnMessage& message);
  void record(const UnitRange& range);
  Status refill();
  Status answer_requests();
  Status push_some();
  Status push_unit(const ReadUnit& read);
  Status read_and_add(size_t block, uint64_t unit, uint64_t& count);
  Status add(size_t block, uint64_t unit, std::span<const std::byte> pages, uint64_t& count);
  bool has_all() const;
  Clock::duration push_delay() const;
  bool may_push() const;
  Status speak();
  Status await();
  void listen_to_monitor();
  Clock::time_point wake_time(Clock::time_point now);
  void report(Clock::time_point now);

  PageServing serving_;
  PageServerOptions options_;
  std::unordered_map<std::string_view, size_t> numbers_;  // of the blocks, by their names
  Bytes out_;  // on its way, the first sent_ bytes of it sent
  size_t sent_ = 0;
  PartWriter writer_;
  std::vector<std::byte> unit_;  // read on request

  std::deque<Request> requests_;
  std::vector<Clock::time_point> answering_;  // arrivals of the requests that out_ answers
  LatencyHistogram service_;
  LazyCounts counts_;

  std::optional<Pace> pace_;  // of what nobody asked for
  LostUnits lost_;

  bool loaded_;
  bool ended_ = false;  // the stream's end has been written
  bool shut_ = false;   // QEMU's last word
  Clock::time_point record_until_ = Clock::time_point::max();
  std::vector<UnitRange> asked_;
  Clock::time_point next_report_ = Clock::now();
};

}  // namespace vmstream
