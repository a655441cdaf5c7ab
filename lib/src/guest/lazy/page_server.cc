// SPDX-License-Identifier: MIT
#include "guest/lazy/page_server.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include <vmstream/text.h>
#include "io/wait.h"

namespace vmstream {
namespace {

// What is on its way stands in front of the answer to the next request.
constexpr size_t kSliceBytes = 64 * 1024;
constexpr auto kReportInterval = std::chrono::milliseconds(100);
// QEMU asks for a page once for all who wait for it, so that it has no more requests open than the
// guest has threads. While so many wait for their answer the socket is not read: the sender waits.
constexpr size_t kMostRequests = 1u << 14;
// What a guest asks for in the time to record; 26 a millisecond for ten seconds.
constexpr size_t kMostAsked = 1u << 18;
// Workers have no descriptor to wait for.
constexpr auto kWorkersInterval = std::chrono::milliseconds(1);

}  // namespace

PageServer::PageServer(const PageServing& serving, PageServerOptions options)
    : serving_(serving),
      options_(std::move(options)),
      writer_(out_, serving.section, serving.reader.image.page_size()),
      lost_(serving.blocks, serving.ledger),
      loaded_(options_.loaded) {
  if (options_.max_push_bandwidth) pace_.emplace(*options_.max_push_bandwidth);
  if (loaded_) record_until_ = Clock::now() + options_.record_time;
  for (const ServedBlock& block : serving_.blocks) {
    numbers_.emplace(block.name, numbers_.size());
  }
  serving_.channel.limit_bitmaps(0);  // nobody asked for one
}

Status PageServer::serve() {
  while (!shut_) {
    if (auto heard = hear(); !heard) return heard;
    if (sent_ == out_.size()) {
      if (auto filled = refill(); !filled) return filled;
    }
    if (auto spoken = speak(); !spoken) return spoken;
    if (has_all() && !lost_.empty() && sent_ == out_.size()) return lost_.first_fault();
    if (!shut_) {
      if (auto waited = await(); !waited) return waited;
    }
  }
  report(Clock::now());
  return ok();
}

LazyCounts PageServer::counts() const {
  LazyCounts counts = counts_;
  counts.left_bytes = serving_.ledger.left_bytes();
  counts.lost_pages = lost_.pages();
  counts.median_service_seconds = service_.quantile(0.5).count();
  counts.p99_service_seconds = service_.quantile(0.99).count();
  counts.worst_service_seconds = service_.worst().count();
  return counts;
}

Status PageServer::hear() {
  if (!may_hear()) return ok();
  if (auto received = serving_.channel.receive(); !received) return received;
  for (;;) {
    auto message = serving_.channel.take();
    if (!message) return message.error();
    if (!*message) return ok();
    if (auto obeyed = obey(**message); !obeyed) return obeyed;
  }
}

// What one call of hear() takes in comes on top.
bool PageServer::may_hear() const {
  return requests_.size() < kMostRequests;
}

Status PageServer::obey(const ReturnMessage& message) {
  switch (message.type) {
    case ReturnType::RequestBlockPages:
    case ReturnType::RequestPages:
      // QEMU takes what the stream did not hold for zeros, and closes.
      return ended_ ? ok() : note_request(message);
    case ReturnType::Pong:
      if (message.value == kDevicesLoadedPing && !loaded_) await_run();
      return ok();
    case ReturnType::Shut:
      shut_ = true;
      if (message.value == 0 && ended_) return ok();
      return Error{Errc::Environment, fmt::format("QEMU gave up, with {}", message.value)};
    case ReturnType::ReceivedBitmap:
    case ReturnType::ResumeAck:
    case ReturnType::SwitchoverAck:
      return ok();
  }
  return ok();
}

// Behind the ping stands the command to run, and until QEMU has obeyed that a broken connection is
// its end. It does so before it answers its monitor again.
void PageServer::await_run() {
  bool can_ask = options_.monitor && options_.monitor->post("query-status");
  if (!can_ask) note_loaded();
}

void PageServer::note_loaded() {
  loaded_ = true;
  record_until_ = Clock::now() + options_.record_time;
  if (options_.on_loaded) options_.on_loaded();
}

Status PageServer::note_request(const ReturnMessage& message) {
  auto number = numbers_.find(message.block);
  const ServedBlock* block = number == numbers_.end() ? nullptr : &serving_.blocks[number->second];
  uint64_t unit = 0;
  uint64_t count = 0;
  if (block) {
    unit = message.start / block->unit_bytes;
    count = (uint64_t{message.length} + block->unit_bytes - 1) / block->unit_bytes;
  }
  bool is_there = block && unit < block->unit_count() && count <= block->unit_count() - unit;
  if (!is_there) {
    return Error{Errc::Environment,
                 fmt::format("QEMU asks for {} bytes at {:#x} of RAM block '{}', "
                             "which the file does not have",
                             message.length, message.start, escape(message.block))};
  }
  auto now = Clock::now();
  UnitRange range{number->second, unit, count};
  ++counts_.requests;
  requests_.push_back({range, now});
  if (now < record_until_) record(range);
  return ok();
}

void PageServer::record(const UnitRange& range) {
  bool is_repeated = !asked_.empty() && asked_.back() == range;
  if (!is_repeated && asked_.size() < kMostAsked) asked_.push_back(range);
}

// Requests go first; the rest in small slices, so that no request waits for long.
Status PageServer::refill() {
  out_.clear();
  sent_ = 0;
  Status filled = !requests_.empty() ? answer_requests() : may_push() ? push_some() : ok();
  if (!filled) return filled;
  writer_.close();
  if (out_.empty() && has_all() && lost_.empty() && !ended_) {
    writer_.end_stream();
    ended_ = true;
  }
  return ok();
}

Status PageServer::answer_requests() {
  while (!requests_.empty() && out_.size() < kSliceBytes) {
    Request request = requests_.front();
    requests_.pop_front();
    const UnitRange& range = request.range;
    uint64_t sent_before = 0;
    for (uint64_t unit = range.unit; unit < range.unit + range.count; ++unit) {
      if (serving_.ledger.is_delivered(range.block, unit)) {
        ++sent_before;
        continue;
      }
      auto added = read_and_add(range.block, unit, counts_.served_pages);
      if (!added) return added;
    }
    if (sent_before == range.count) {
      ++counts_.requests_already_sent;
    } else {
      answering_.push_back(request.arrival);
    }
  }
  return ok();
}

// A unit that cannot be read is left out.
Status PageServer::read_and_add(size_t block, uint64_t unit, uint64_t& count) {
  if (lost_.has(block, unit)) return ok();
  const ServedBlock& shape = serving_.blocks[block];
  unit_.resize(static_cast<size_t>(shape.pages_of(unit)) * serving_.reader.image.page_size());
  auto read = serving_.reader.image.read(block, unit * shape.unit_pages, unit_);
  if (read) return add(block, unit, unit_, count);
  if (auto within = check_limits(options_.limits, "input"); !within) return within;
  lost_.add(block, unit, read.error());
  return ok();
}

Status PageServer::add(size_t block, uint64_t unit, std::span<const std::byte> pages,
                       uint64_t& count) {
  const ServedBlock& shape = serving_.blocks[block];
  lost_.remove(block, unit);  // what failed for the one who asked may have been read ahead
  serving_.ledger.mark(block, unit);
  count += shape.pages_of(unit);
  return writer_.add(shape, unit, pages);
}

// Everything but zeros and what cannot be read.
bool PageServer::has_all() const {
  return loaded_ && serving_.ledger.left_bytes() == lost_.wanted_bytes();
}

Clock::duration PageServer::push_delay() const {
  return pace_ ? pace_->delay() : Clock::duration::zero();
}

bool PageServer::may_push() const {
  return serving_.push && push_delay() == Clock::duration::zero();
}

Status PageServer::push_some() {
  if (auto advanced = serving_.push->advance(serving_.ledger); !advanced) return advanced;
  // What cannot be read takes its time too: requests are looked at after each such unit.
  uint64_t lost = lost_.units();
  while (out_.size() < kSliceBytes && lost_.units() == lost) {
    auto unit = serving_.push->next();
    if (!unit) break;
    if (auto pushed = push_unit(*unit); !pushed) return pushed;
  }
  if (pace_) pace_->took(out_.size());
  return ok();
}

// What could not be read together with others is tried by itself.
Status PageServer::push_unit(const ReadUnit& read) {
  if (serving_.ledger.is_delivered(read.block, read.unit)) return ok();
  if (read.pages.empty()) return read_and_add(read.block, read.unit, counts_.pushed_pages);
  return add(read.block, read.unit, read.pages, counts_.pushed_pages);
}

Status PageServer::speak() {
  while (sent_ < out_.size()) {
    auto count = serving_.channel.write_some(std::span(out_).subspan(sent_));
    if (!count) {
      auto heard = hear();  // QEMU's last word tells more than that it closed
      return heard ? count.error() : heard;
    }
    if (*count == 0) return ok();
    sent_ += *count;
    counts_.sent_bytes += *count;
  }
  auto now = Clock::now();
  for (auto arrival : answering_) service_.add(now - arrival);
  answering_.clear();
  return ok();
}

// When something is to be done although no descriptor is ready.
Clock::time_point PageServer::wake_time(Clock::time_point now) {
  if (sent_ < out_.size()) return next_report_;
  if (!requests_.empty()) return now;
  if (has_all() && !ended_) return now;
  if (!serving_.push || has_all()) return next_report_;
  if (serving_.push->done()) return next_report_;
  if (auto delay = push_delay(); delay > Clock::duration::zero()) {
    return std::min(now + delay, next_report_);
  }
  return serving_.push->ready() ? now : now + kWorkersInterval;
}

Status PageServer::await() {
  auto now = Clock::now();
  if (now >= next_report_) report(now);
  auto wake = wake_time(now);
  if (wake <= now) return check_limits(options_.limits, "QEMU to take its memory");
  int monitor = options_.monitor ? options_.monitor->descriptor() : -1;
  auto wanted = static_cast<short>((may_hear() ? POLLIN : 0) | (sent_ < out_.size() ? POLLOUT : 0));
  std::array<pollfd, 2> waiting{pollfd{serving_.channel.descriptor(), wanted, 0},
                                pollfd{monitor, POLLIN, 0}};
  WaitLimits interval{options_.limits.cancellation,
                      std::min(wake, options_.limits.deadline.value_or(wake))};
  auto ready = wait_ready(std::span(waiting).first(monitor < 0 ? 1 : 2), interval, "QEMU");
  if (auto within = check_limits(options_.limits, "QEMU to take its memory"); !within)
    return within;
  if (!ready && ready.error().code != Errc::TimedOut) return ready;
  if (ready && waiting[1].revents != 0) listen_to_monitor();
  return ok();
}

// A monitor that closes is no reason to keep memory from a guest.
void PageServer::listen_to_monitor() {
  bool awaited = options_.monitor->awaits_answer();
  auto event = options_.monitor->take_event();
  while (event && *event) event = options_.monitor->take_event();
  auto answer = options_.monitor->take_answer();
  bool answered = !answer || *answer;
  if (awaited && (answered || !event) && !loaded_) note_loaded();
  if (!event) options_.monitor = nullptr;
}

void PageServer::report(Clock::time_point now) {
  next_report_ = now + kReportInterval;
  if (options_.on_progress) options_.on_progress(counts());
}

}  // namespace vmstream
