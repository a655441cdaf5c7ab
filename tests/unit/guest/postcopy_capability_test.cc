// SPDX-License-Identifier: MIT
#include "guest/lazy/postcopy_capability.h"

#include "support/catch.h"
#include "unit/guest/scripted_monitor.h"

using namespace vmstream;
using testing::ScriptedMonitor;

namespace {

constexpr const char* kOff = R"([{"capability": "xbzrle", "state": true},
                                 {"capability": "postcopy-ram", "state": false}])";
constexpr const char* kOn = R"([{"capability": "postcopy-ram", "state": true}])";

// Answers the list of capabilities, then each command with what stands in `answers`; keeps the
// commands.
struct Fixture {
  Fixture(std::string list, std::vector<std::string> answers)
      : monitor([this, list, answers](ScriptedMonitor& far) {
          far.greet();
          far.hear();
          far.say(R"({"id": 2, "return": )" + list + "}\r\n");
          for (size_t i = 0; i < answers.size(); ++i) {
            heard.push_back(far.hear());
            far.say("{\"id\": " + std::to_string(i + 3) + ", " + answers[i] + "}\r\n");
          }
          far.hear();
        }),
        qmp(std::move(*QmpClient::adopt(monitor.client_end()))) {}

  std::vector<std::string> heard;
  ScriptedMonitor monitor;
  QmpClient qmp;
};

}  // namespace

TEST_CASE("postcopy is switched on, and off again", "[guest][lazy]") {
  Fixture fixture(kOff, {"\"return\": {}", "\"return\": {}"});
  PostcopyCapability capability(fixture.qmp);
  REQUIRE(capability.switch_on());
  REQUIRE(capability.put_back());
  REQUIRE(fixture.heard.size() == 2);
  CHECK(fixture.heard[0].find(R"("capability":"postcopy-ram","state":true)") != std::string::npos);
  CHECK(fixture.heard[1].find(R"("capability":"postcopy-ram","state":false)") != std::string::npos);
}

TEST_CASE("postcopy that was on stays on", "[guest][lazy]") {
  Fixture fixture(kOn, {});
  PostcopyCapability capability(fixture.qmp);
  REQUIRE(capability.switch_on());
  REQUIRE(capability.put_back());
  CHECK(fixture.heard.empty());
}

TEST_CASE("without postcopy it is said what it takes", "[guest][lazy]") {
  auto refuse = [](Fixture& fixture) {
    auto refused = PostcopyCapability(fixture.qmp).switch_on();
    REQUIRE_FALSE(refused);
    CHECK(refused.error().code == Errc::Environment);
    CHECK(refused.error().hint.find("userfaultfd") != std::string::npos);
    return refused.error().message;
  };
  Fixture refusing(kOff,
                   {R"("error": {"class": "GenericError", "desc": "Postcopy is not supported"})"});
  CHECK(refuse(refusing).find("Postcopy is not supported") != std::string::npos);
  Fixture old("[]", {});
  CHECK(refuse(old).find("does not know the capability postcopy-ram") != std::string::npos);
  Fixture strange("{}", {});
  CHECK(refuse(strange).find("tells no capabilities") != std::string::npos);
}
