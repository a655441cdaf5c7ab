// SPDX-License-Identifier: MIT
#include "vmdump/save_observer.h"

#include <fmt/format.h>

#include <vmstream/text.h>
#include "common/json_text.h"

namespace vmdump {
namespace {

// In the first pass the counts tell all.
std::string words_for(const vmstream::LiveProgress& live) {
  if (live.pass < 2) return fmt::format("pass {}", live.pass);
  auto dirty = vmtools::whole(live.dirty_pages_per_second * static_cast<double>(live.page_bytes));
  return fmt::format("pass {}{}, {} left, guest writes {}/s", live.pass,
                     live.converges ? "" : " not converging",
                     vmstream::format_size(live.bytes_left), vmstream::format_size(dirty));
}

vmtools::ProgressDetail describe(const vmstream::LiveProgress& live) {
  return {.words = words_for(live),
          .figures = {{"pass", live.pass},
                      {"pages_left", live.pages_left},
                      {"dirty_pages_per_second", vmtools::whole(live.dirty_pages_per_second)},
                      {"sent_pages_per_second", vmtools::whole(live.sent_pages_per_second)},
                      {"throttle_percent", live.throttle_percent},
                      {"converges", live.converges}},
          .bytes_left = live.pass < 2 ? std::nullopt : std::optional(live.bytes_left)};
}

}  // namespace

SaveObserver::SaveObserver(vmtools::Session& session, std::string subject, std::string_view phase,
                           bool has_guest)
    : session_(session),
      subject_(std::move(subject)),
      has_guest_(has_guest),
      progress_(session, phase),
      meanwhile_([this] {
        progress_.detail(detail());
        progress_.refresh();
        answer_request();
      }) {}

void SaveObserver::watch(vmstream::StateWriter& writer, bool by_position) {
  progress_.watch_output([&writer, by_position] {
    return by_position ? writer.file()->disk_bytes() : writer.bytes_written();
  });
}

void SaveObserver::enter(std::string_view phase) {
  progress_.detail(detail());
  progress_.enter(phase);
}

void SaveObserver::on_progress(const vmstream::StreamCounts& counts) {
  progress_.detail(detail());
  progress_.update(counts);
  answer_request();
}

void SaveObserver::on_live(const vmstream::LiveProgress& live) {
  live_ = live;
}

void SaveObserver::on_pause(bool stands_still) {
  earlier_pauses_ = paused_seconds();
  stands_still_since_.reset();
  if (stands_still) stands_still_since_ = vmstream::Clock::now();
}

double SaveObserver::paused_seconds() const {
  if (!stands_still_since_) return earlier_pauses_;
  std::chrono::duration<double> now = vmstream::Clock::now() - *stands_still_since_;
  return earlier_pauses_ + now.count();
}

// Of the pause as it is noticed here; the summary has it as QEMU stamps it.
vmtools::ProgressDetail SaveObserver::detail() const {
  auto detail = live_ ? describe(*live_) : vmtools::ProgressDetail();
  if (!has_guest_) return detail;
  detail.figures.emplace_back("guest_paused", stands_still_since_.has_value());
  detail.figures.emplace_back("pause_seconds", vmtools::rounded(paused_seconds()));
  if (!stands_still_since_) return detail;
  if (!detail.words.empty()) detail.words += ", ";
  detail.words += fmt::format("guest paused {:.1f} s", paused_seconds());
  return detail;
}

void SaveObserver::on_warning(const std::string& text) {
  session_.messages().warning(subject_, text);
}

void SaveObserver::answer_request() {
  if (status_requests_.take()) session_.messages().answer(progress_.line());
}

}  // namespace vmdump
