// SPDX-License-Identifier: MIT
#include "vmdump/save_observer.h"

#include <fmt/format.h>

#include <vmstream/text.h>
#include "common/json_values.h"

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

SaveObserver::SaveObserver(vmtools::Session& session, std::string subject)
    : session_(session),
      subject_(std::move(subject)),
      progress_(session, "save"),
      meanwhile_([this] {
        progress_.refresh();
        answer_request();
      }) {}

void SaveObserver::watch(OutputChain& chain, bool by_qemu) {
  progress_.watch_output(
      [&chain, by_qemu] { return by_qemu ? chain.file().disk_bytes() : chain.bytes_written(); });
}

void SaveObserver::on_progress(const vmstream::StreamCounts& counts) {
  progress_.update(counts);
  answer_request();
}

void SaveObserver::on_live(const vmstream::LiveProgress& live) {
  progress_.detail(describe(live));
}

void SaveObserver::on_warning(const std::string& text) {
  session_.messages().warning(subject_, text);
}

void SaveObserver::answer_request() {
  if (status_requests_.take()) session_.messages().answer(progress_.line());
}

}  // namespace vmdump
