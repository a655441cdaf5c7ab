// SPDX-License-Identifier: MIT
#include "vmdump/save_observer.h"

#include <fmt/format.h>

#include <vmstream/text.h>

namespace vmdump {
namespace {

constexpr double kPageBytes = 4096;

vmtools::ProgressDetail describe(const vmstream::LiveProgress& live) {
  auto dirty = static_cast<uint64_t>(live.dirty_pages_per_second * kPageBytes);
  auto words = fmt::format("pass {}, {} left, guest writes {}/s{}", live.pass,
                           vmstream::format_size(live.bytes_left), vmstream::format_size(dirty),
                           live.converges() ? "" : ", not converging");
  return {
      .words = std::move(words),
      .figures = {{"pass", live.pass},
                  {"pages_left", live.pages_left},
                  {"dirty_pages_per_second", static_cast<uint64_t>(live.dirty_pages_per_second)},
                  {"sent_pages_per_second", static_cast<uint64_t>(live.sent_pages_per_second)},
                  {"throttle_percent", live.throttle_percent}}};
}

}  // namespace

SaveObserver::SaveObserver(vmtools::Session& session, std::string subject, const OutputChain& chain)
    : session_(session), subject_(std::move(subject)), progress_(session, "save") {
  progress_.watch_output([&chain] { return chain.bytes_written(); });
}

void SaveObserver::on_progress(const vmstream::StreamCounts& counts) {
  progress_.update(counts);
  if (status_requests_.take()) session_.messages().answer(progress_.line());
}

void SaveObserver::on_live(const vmstream::LiveProgress& live) {
  progress_.detail(describe(live));
}

void SaveObserver::on_warning(const std::string& text) {
  session_.messages().warning(subject_, text);
}

}  // namespace vmdump
