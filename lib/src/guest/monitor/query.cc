// SPDX-License-Identifier: MIT
#include "guest/monitor/query.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <system_error>

#include <vmstream/text.h>
#include "io/peer_user.h"
#include "io/wait.h"

namespace vmstream {
namespace {

constexpr auto kFirstInterval = std::chrono::milliseconds(1);
constexpr auto kLongestInterval = std::chrono::milliseconds(50);
constexpr int kShare = 8;                   // of the time that it has taken
constexpr uint64_t kUsualPageBytes = 4096;  // QEMU before 2.11 does not say

Result<Json> parse_answer(std::string_view text) {
  Json answer = Json::parse(text, nullptr, false);
  if (answer.is_discarded()) return Error{Errc::Environment, "malformed answer to a query"};
  return answer;
}

RamProgress read_ram(const Json& ram) {
  auto number = [&ram](const char* key) { return number_member(ram, key).value_or(0); };
  uint64_t page_bytes =
      std::max<uint64_t>(1, number_member(ram, "page-size").value_or(kUsualPageBytes));
  return {.syncs = number("dirty-sync-count"),
          .pages_sent = number("normal") + number("duplicate"),
          .pages_left = number("remaining") / page_bytes,
          .bytes_left = number("remaining"),
          .page_bytes = page_bytes,
          .bytes_sent = number("transferred"),
          .total_bytes = number("total"),
          .pages_dirtied = number("dirty-pages-rate"),
          .normal_pages = number_member(ram, "normal"),
          .duplicate_pages = number_member(ram, "duplicate")};
}

// Asks the more seldom the longer it takes, so that the end is seen soon in proportion.
template <typename Sought>
Result<MigrationStatus> await_status(QmpClient& qmp, const WaitLimits& limits, Sought is_sought) {
  for (auto start = Clock::now();;) {
    auto status = query_migration(qmp);
    if (!status || is_sought(*status)) return status;
    auto interval = std::clamp<Clock::duration>((Clock::now() - start) / kShare, kFirstInterval,
                                                kLongestInterval);
    auto waited = pause_within(interval, limits, "the end of the migration");
    if (!waited) return waited.error();
  }
}

}  // namespace

Result<Json> ask(QmpClient& qmp, const char* command) {
  auto text = qmp.execute(command);
  if (!text) return text.error();
  return parse_answer(*text);
}

Result<RunStatus> query_run_status(QmpClient& qmp) {
  auto answer = ask(qmp, "query-status");
  if (!answer) return answer.error();
  return RunStatus{escape(text_member(*answer, "status")), true_member(*answer, "running")};
}

bool MigrationStatus::is_over() const {
  return name == "none" || name == "completed" || name == "failed" || name == "cancelled";
}

Result<MigrationStatus> read_migration_status(std::string_view text) {
  auto answer = parse_answer(text);
  if (!answer) return answer.error();
  std::string name = text_member(*answer, "status");
  MigrationStatus status{name.empty() ? "none" : escape(name),
                         escape(text_member(*answer, "error-desc"))};
  const Json* blockers = find_member(*answer, "blocked-reasons");
  if (blockers && blockers->is_array() && !blockers->empty() && blockers->front().is_string()) {
    status.blocker = escape(blockers->front().get<std::string>());
  }
  if (const Json* ram = find_member(*answer, "ram")) {
    status.ram = read_ram(*ram);
    status.ram->throttle_percent = number_member(*answer, "cpu-throttle-percentage").value_or(0);
    if (find_member(*answer, "compression")) status.ram->duplicate_pages.reset();
  }
  return status;
}

Result<MigrationStatus> query_migration(QmpClient& qmp) {
  auto answer = qmp.execute("query-migrate");
  if (!answer) return answer.error();
  return read_migration_status(*answer);
}

Result<MigrationStatus> await_migration_end(QmpClient& qmp, const WaitLimits& limits) {
  return await_status(qmp, limits, [](const MigrationStatus& now) { return now.is_over(); });
}

Result<MigrationStatus> await_load_end(QmpClient& qmp, const WaitLimits& limits) {
  return await_status(
      qmp, limits, [](const MigrationStatus& now) { return now.is_over() && now.name != "none"; });
}

Result<MigrationStatus> await_pause_or_end(QmpClient& qmp, const WaitLimits& limits) {
  return await_status(qmp, limits,
                      [](const MigrationStatus& now) { return now.is_over() || now.is_paused(); });
}

std::string query_target(QmpClient& qmp) {
  auto answer = ask(qmp, "query-target");
  return answer ? text_member(*answer, "arch") : std::string();
}

std::optional<bool> query_capability(QmpClient& qmp, std::string_view name) {
  auto answer = ask(qmp, "query-migrate-capabilities");
  if (!answer || !answer->is_array()) return std::nullopt;
  for (const Json& entry : *answer) {
    if (text_member(entry, "capability") == name) return true_member(entry, "state");
  }
  return false;  // it knows none of the name
}

Result<bool> query_kvm(QmpClient& qmp) {
  auto answer = ask(qmp, "query-kvm");
  if (!answer) return answer.error();
  return true_member(*answer, "enabled");
}

std::string find_qemu_log(const QmpClient& qmp) {
  auto process = get_unix_peer_process(qmp.descriptor());
  // A QEMU that was started here shares our own.
  if (!process || *process <= 0 || *process == ::getpid()) return {};
  std::error_code failed;
  auto log = std::filesystem::read_symlink(fmt::format("/proc/{}/fd/2", *process), failed);
  if (failed || !std::filesystem::is_regular_file(log, failed)) return {};
  return escape(log.string());
}

}  // namespace vmstream
