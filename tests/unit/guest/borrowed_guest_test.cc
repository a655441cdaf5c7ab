// SPDX-License-Identifier: MIT
// In which order a QEMU is told to give a save up.
#include "guest/capture/borrowed_guest.h"

#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <vector>

#include "base/json.h"
#include "unit/guest/scripted_monitor.h"

using namespace vmstream;
using namespace std::chrono_literals;
using testing::ScriptedMonitor;

namespace {

/// A stopped guest whose migration has `statuses` one after the other, and stays in the last.
class Migrating {
 public:
  explicit Migrating(std::vector<std::string> statuses)
      : statuses_(std::move(statuses)), monitor_([this](ScriptedMonitor& m) { play(m); }) {}

  QmpClient connect() {
    auto client = QmpClient::adopt(monitor_.client_end(), {.deadline = Clock::now() + 20s});
    REQUIRE(client);
    return std::move(*client);
  }

  /// "query-migrate: active" or "stop", as told.
  std::vector<std::string> told;

 private:
  void play(ScriptedMonitor& m) {
    m.greet();
    for (std::string line = m.hear(); !line.empty(); line = m.hear()) {
      auto command = parse_object(line.substr(line.find('{')));
      REQUIRE(command);
      std::string name = text_member(*command, "execute");
      m.say(fmt::format("{{\"return\": {}, \"id\": {}}}\r\n", answer(name),
                        command->at("id").dump()));
    }
  }
  std::string answer(const std::string& name) {
    if (name == "query-status") return R"({"status": "paused", "running": false})";
    if (name == "query-migrate-capabilities") return "[]";
    if (name != "query-migrate") return told.push_back(name), "{}";
    std::string status = statuses_.front();
    if (statuses_.size() > 1) statuses_.erase(statuses_.begin());
    told.push_back("query-migrate: " + status);
    return fmt::format(R"({{"status": "{}"}})", status);
  }

  std::vector<std::string> statuses_;
  ScriptedMonitor monitor_;
};

std::vector<std::string> told_at_giving_up(std::vector<std::string> statuses, bool pauses) {
  Migrating qemu(std::move(statuses));
  {
    BorrowedGuest guest(QmpAddress{}, qemu.connect());
    REQUIRE(guest.look());
    REQUIRE(guest.open_link(false));
    if (pauses) guest.expect_pause();
    REQUIRE(guest.migrate_by_link(fresh_limits(5s)));
    qemu.told.clear();
    CHECK(guest.give_back());
  }
  auto end = std::find(qemu.told.begin(), qemu.told.end(), "migrate_cancel");
  return {qemu.told.begin(), end == qemu.told.end() ? end : end + 1};
}

}  // namespace

TEST_CASE("a migration that will pause is cancelled in its pause", "[guest][capture]") {
  std::vector<std::string> in_order{"query-migrate: active", "query-migrate: active",
                                    "query-migrate: pre-switchover", "migrate_cancel"};
  CHECK(told_at_giving_up({"none", "active", "active", "pre-switchover", "cancelled"}, true) ==
        in_order);
}

TEST_CASE("or has failed by then, as nobody reads it", "[guest][capture]") {
  std::vector<std::string> in_order{"query-migrate: active", "query-migrate: failed",
                                    "migrate_cancel"};
  CHECK(told_at_giving_up({"none", "active", "failed"}, true) == in_order);
}

TEST_CASE("any other is cancelled at once", "[guest][capture]") {
  CHECK(told_at_giving_up({"none", "cancelled"}, false) ==
        std::vector<std::string>{"migrate_cancel"});
}
