// SPDX-License-Identifier: MIT
#include "guest/monitor/monitored_io.h"

#include <fmt/format.h>

#include "support/catch.h"
#include "unit/guest/scripted_monitor.h"

using namespace vmstream;
using namespace std::chrono_literals;
using testing::ScriptedMonitor;

namespace {

constexpr const char* kStop = R"({"event": "STOP", "timestamp": {"seconds": 1, "microseconds": 0}})"
                              "\r\n";

struct Counter : MonitorListener {
  int heard = 0;
  Status on_event(const QmpEvent&) override {
    ++heard;
    return ok();
  }
};

}  // namespace

TEST_CASE("an event that came before an answer is heard by who listens next", "[guest][monitor]") {
  ScriptedMonitor monitor([](ScriptedMonitor& m) {
    m.greet();
    for (int id : {2, 3}) {
      m.hear();
      m.say(kStop + fmt::format("{{\"return\": {{}}, \"id\": {}}}\r\n", id));
    }
    m.hear();
  });
  WaitLimits limits{.deadline = Clock::now() + 20s};
  auto qmp = QmpClient::adopt(monitor.client_end(), limits);
  REQUIRE(qmp);
  Counter counter;
  MonitorWatch watch(
      *qmp, limits, [] {}, &counter);
  for (int round : {1, 2}) {
    REQUIRE(qmp->execute("query-migrate"));
    REQUIRE(watch.listen());
    CHECK(counter.heard == round);
  }
}
