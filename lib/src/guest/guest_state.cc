// SPDX-License-Identifier: MIT
#include "guest/guest_state.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include <vmstream/text.h>
#include "base/json.h"
#include "io/wait.h"

namespace vmstream {
namespace {

constexpr auto kFirstInterval = std::chrono::milliseconds(1);
constexpr auto kLongestInterval = std::chrono::milliseconds(50);

// With these a stream needs a second channel or a partner, lacks memory, stops half-way, or takes
// the memory away from the guest that is to go on.
constexpr std::array<std::string_view, 13> kDisturbing = {
    "multifd",     "postcopy-ram",    "postcopy-preempt",        "return-path",         "x-colo",
    "release-ram", "zero-copy-send",  "pause-before-switchover", "background-snapshot", "block",
    "mapped-ram",  "x-ignore-shared", "switchover-ack"};

Result<Json> ask(QmpClient& qmp, const char* command) {
  auto text = qmp.execute(command);
  if (!text) return text.error();
  Json answer = Json::parse(*text, nullptr, false);
  if (answer.is_discarded()) return Error{Errc::Environment, "malformed answer to a query"};
  return answer;
}

std::vector<std::string> find_disturbing(const Json& capabilities) {
  std::vector<std::string> found;
  if (!capabilities.is_array()) return found;
  for (const Json& entry : capabilities) {
    std::string name = text_member(entry, "capability");
    bool disturbs = std::find(kDisturbing.begin(), kDisturbing.end(), name) != kDisturbing.end();
    if (disturbs && true_member(entry, "state")) found.push_back(name);
  }
  return found;
}

Status set_capabilities(QmpClient& qmp, const std::vector<std::string>& names, bool on) {
  Json list = Json::array();
  for (const std::string& name : names) list.push_back({{"capability", name}, {"state", on}});
  auto done = qmp.execute("migrate-set-capabilities", to_text({{"capabilities", list}}));
  if (!done) return done.error();
  return ok();
}

Status set_max_bandwidth(QmpClient& qmp, uint64_t bytes_per_second) {
  auto done = qmp.execute("migrate-set-parameters", to_text({{"max-bandwidth", bytes_per_second}}));
  if (!done) return done.error();
  return ok();
}

}  // namespace

Result<RunStatus> query_run_status(QmpClient& qmp) {
  auto answer = ask(qmp, "query-status");
  if (!answer) return answer.error();
  return RunStatus{escape(text_member(*answer, "status")), true_member(*answer, "running")};
}

bool MigrationStatus::is_over() const {
  return name == "none" || name == "completed" || name == "failed" || name == "cancelled";
}

Result<MigrationStatus> query_migration(QmpClient& qmp) {
  auto answer = ask(qmp, "query-migrate");
  if (!answer) return answer.error();
  std::string name = text_member(*answer, "status");
  return MigrationStatus{name.empty() ? "none" : escape(name),
                         escape(text_member(*answer, "error-desc"))};
}

Result<MigrationStatus> await_migration_end(QmpClient& qmp, const WaitLimits& limits) {
  for (Clock::duration interval = kFirstInterval;;) {
    auto status = query_migration(qmp);
    if (!status || status->is_over()) return status;
    auto waited = pause_within(interval, limits, "the end of the migration");
    if (!waited) return waited.error();
    interval = std::min<Clock::duration>(interval * 2, kLongestInterval);
  }
}

Result<GuestState> GuestState::read(QmpClient& qmp) {
  GuestState state;
  auto status = query_run_status(qmp);
  if (!status) return status.error();
  auto parameters = ask(qmp, "query-migrate-parameters");
  if (!parameters) return parameters.error();
  auto capabilities = ask(qmp, "query-migrate-capabilities");
  if (!capabilities) return capabilities.error();
  state.found_ = std::move(*status);
  state.found_bandwidth_ = number_member(*parameters, "max-bandwidth").value_or(0);
  state.disturbing_ = find_disturbing(*capabilities);
  return state;
}

Status GuestState::switch_off_capabilities(QmpClient& qmp) {
  if (disturbing_.empty()) return ok();
  capabilities_changed_ = true;  // also when the answer is lost
  return set_capabilities(qmp, disturbing_, false);
}

Status GuestState::set_bandwidth(QmpClient& qmp, uint64_t bytes_per_second) {
  if (bytes_per_second == found_bandwidth_) return ok();
  bandwidth_changed_ = true;
  return set_max_bandwidth(qmp, bytes_per_second);
}

Status GuestState::stop(QmpClient& qmp) {
  if (!was_running()) return ok();
  if (auto done = qmp.execute("stop"); !done) return done.error();
  return ok();
}

Status GuestState::resume(QmpClient& qmp) {
  if (!was_running()) return ok();
  auto now = query_run_status(qmp);
  if (!now) return now.error();
  if (now->running) return ok();
  if (auto done = qmp.execute("cont"); !done) return done.error();
  return ok();
}

Status GuestState::put_back_settings(QmpClient& qmp) {
  if (bandwidth_changed_) {
    if (auto done = set_max_bandwidth(qmp, found_bandwidth_); !done) return done;
    bandwidth_changed_ = false;
  }
  if (capabilities_changed_) {
    if (auto done = set_capabilities(qmp, disturbing_, true); !done) return done;
    capabilities_changed_ = false;
  }
  return ok();
}

}  // namespace vmstream
