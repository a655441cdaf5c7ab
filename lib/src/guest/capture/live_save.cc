// SPDX-License-Identifier: MIT
#include "guest/capture/live_save.h"

#include <algorithm>

#include "guest/migration/migration_settings.h"

namespace vmstream {
namespace {

constexpr auto kInterval = std::chrono::milliseconds(200);

double seconds_between(Clock::time_point from, Clock::time_point to) {
  return std::chrono::duration<double>(to - from).count();
}

// Grows only by what the guest dirties: what is sent was left before.
uint64_t pages_found(const RamProgress& ram) {
  return ram.pages_sent + ram.pages_left;
}

}  // namespace

LiveSave::LiveSave(QmpClient& qmp, const CaptureOptions& options, CaptureObserver* observer)
    : qmp_(qmp), options_(options), observer_(observer), convergence_(options.rules) {}

Status LiveSave::on_turn(bool guest_stands_still) {
  if (guest_stands_still && !ending_) ended_by_.reset();  // QEMU was faster
  if (guest_stands_still) return ok();
  if (asked_ != Asked::Nothing) {
    if (auto taken = take_answer(); !taken) return taken;
  }
  return asked_ == Asked::Nothing ? ask_next() : ok();
}

Status LiveSave::take_answer() {
  auto answer = qmp_.take_answer();
  if (!answer) return answer.error();
  if (!*answer) return ok();
  if (std::exchange(asked_, Asked::Nothing) == Asked::End) return ok();
  auto status = read_migration_status(**answer);
  if (!status) return status.error();
  if (status->ram && status->ram->syncs > 0) on_progress(*status->ram);
  return ok();
}

Status LiveSave::ask_next() {
  if (ended_by_ && !ending_) {
    ending_ = true;
    asked_ = Asked::End;
    return qmp_.post("migrate-set-parameters", to_text({{"downtime-limit", kLongestDowntime}}));
  }
  auto now = Clock::now();
  if (!ask_now_ && now < next_question_) return ok();
  ask_now_ = false;
  next_question_ = now + kInterval;
  asked_ = Asked::Progress;
  return qmp_.post("query-migrate");
}

void LiveSave::on_progress(const RamProgress& ram) {
  if (ram.syncs > last_.syncs && ram.syncs > 1) on_look(ram);
  report(ram);
  last_ = ram;
  last_at_ = Clock::now();
  // In the first pass all that is left must be sent in any case.
  bool may_end = !ended_by_ && ram.syncs > 1 && options_.must_end;
  if (may_end && options_.must_end(ram.bytes_left)) end(EndedBy::Size);
}

// By how much it falls short is measured now: what comes is of the end.
void LiveSave::end(EndedBy why) {
  ended_by_ = why;
  auto pass = std::find_if(looks_.rbegin(), looks_.rend(),
                           [](const Look& look) { return look.pass.pages > 0; });
  if (why != EndedBy::DirtyPages && pass != looks_.rend()) {
    shortfall_ = measure_shortfall(pass->pass);
  }
}

void LiveSave::on_look(const RamProgress& ram) {
  auto now = Clock::now();
  Look before = looks_.empty() ? Look() : looks_.back();
  CapturePass pass{.pages = ram.pages_sent - std::min(ram.pages_sent, before.pages_sent),
                   .bytes = ram.bytes_sent - std::min(ram.bytes_sent, before.bytes_sent),
                   .seconds = seconds_between(std::exchange(looked_at_, now), now),
                   .dirtied = ram.pages_left,
                   .left = ram.pages_left};
  if (last_.syncs > 0) {
    pass.dirtied = pages_found(ram) - std::min(pages_found(ram), pages_found(last_));
  }
  looks_.push_back({ram.pages_sent, ram.bytes_sent, pass});
  if (ended_by_) return;
  if (auto rule = convergence_.after(pass)) end(*rule);
}

void LiveSave::report(const RamProgress& ram) {
  double seconds = seconds_between(last_at_, Clock::now());
  if (!observer_ || seconds <= 0) return;
  uint64_t sent = ram.pages_sent - std::min(ram.pages_sent, last_.pages_sent);
  observer_->on_live({.pass = ram.syncs,
                      .pages_left = ram.pages_left,
                      .bytes_left = ram.bytes_left,
                      .page_bytes = ram.page_bytes,
                      .dirty_pages_per_second = static_cast<double>(ram.pages_dirtied),
                      .sent_pages_per_second = static_cast<double>(sent) / seconds,
                      .throttle_percent = ram.throttle_percent,
                      .converges = converges()});
}

bool LiveSave::converges() const {
  return looks_.empty() || looks_.back().pass.dirtied < looks_.back().pass.pages;
}

// What QEMU found dirty belongs to the pass that had sent as many pages by then.
void LiveSave::tell_dirtied(std::vector<CapturePass>& passes) const {
  uint64_t sent = 0;
  auto look = looks_.begin();
  for (CapturePass& pass : passes) {
    sent += pass.pages;
    bool is_last = &pass == &passes.back();
    for (; look != looks_.end() && (look->pages_sent <= sent || is_last); ++look) {
      pass.dirtied += look->pass.dirtied;
      pass.left = look->pass.left;
    }
  }
}

std::vector<CapturePass> LiveSave::passes(const RamProgress& end) const {
  std::vector<CapturePass> passes;
  for (const Look& look : looks_) passes.push_back(look.pass);
  Look last = looks_.empty() ? Look() : looks_.back();
  if (end.pages_sent > last.pages_sent) {
    passes.push_back({.pages = end.pages_sent - last.pages_sent,
                      .bytes = end.bytes_sent - std::min(end.bytes_sent, last.bytes_sent),
                      .seconds = seconds_between(looked_at_, Clock::now())});
  }
  return passes;
}

}  // namespace vmstream
