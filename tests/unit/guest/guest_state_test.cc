// SPDX-License-Identifier: MIT
#include "guest/capture/borrowed_guest.h"

#include <fmt/format.h>

#include "unit/guest/scripted_monitor.h"

using namespace vmstream;
using namespace std::chrono_literals;
using testing::ScriptedMonitor;

namespace {

std::string status(const char* name, bool running, int id) {
  return fmt::format(R"({{"return": {{"status": "{}", "running": {}}}, "id": {}}})", name, running,
                     id);
}

}  // namespace

TEST_CASE("a guest goes on when QEMU is through with its migration", "[guest]") {
  std::string last;
  {
    ScriptedMonitor monitor([&last](ScriptedMonitor& m) {
      m.greet();
      const char* names[] = {"running", "finish-migrate", "finish-migrate", "postmigrate"};
      for (int i = 0; i < 4; ++i) {
        m.hear();
        m.say(status(names[i], i == 0, i + 2));
      }
      last = m.hear();
      m.say(R"({"return": {}, "id": 6})");
    });
    auto qmp = QmpClient::adopt(monitor.client_end(), {.deadline = Clock::now() + 20s});
    REQUIRE(qmp);
    auto guest = GuestState::read(*qmp);
    REQUIRE(guest);
    CHECK(guest->resume(*qmp));
  }
  CHECK(last.find(R"("cont")") != std::string::npos);
}
