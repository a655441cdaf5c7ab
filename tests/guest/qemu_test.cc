// SPDX-License-Identifier: MIT
// The test guest and the monitor session against a real QEMU.
#include "support/qemu.h"
#include "support/catch.h"

using namespace vmstream;
using testing::Qemu;

namespace {

WaitLimits within(std::chrono::milliseconds time) {
  return {.deadline = Clock::now() + time};
}

}  // namespace

TEST_CASE("the test guest counts, and stands still while it is stopped", "[guest]") {
  Qemu qemu;
  CHECK(qemu.await_ticks(40).memory_intact);
  qemu.ask("stop");
  CHECK(qemu.run_state() == "paused");
  CHECK(qemu.stands_still());
  qemu.ask("cont");
  CHECK(qemu.await_ticks(5).memory_intact);
}

TEST_CASE("a session over TCP knows that it cannot pass descriptors", "[guest]") {
  Qemu qemu({.tcp_monitor = true});
  auto client = QmpClient::connect(qemu.monitor(), within(std::chrono::seconds(10)));
  REQUIRE(client);
  CHECK_FALSE(client->can_pass_fds());
  CHECK(client->qemu_version().find('.') != std::string::npos);
  auto unknown = client->execute("no-such-command");
  REQUIRE_FALSE(unknown);
  CHECK(unknown.error().message ==
        "no-such-command: The command no-such-command has not been found");
}

TEST_CASE("a second client is told that the monitor is taken", "[guest]") {
  Qemu qemu;
  auto first = QmpClient::connect(qemu.monitor(), within(std::chrono::seconds(10)));
  REQUIRE(first);
  auto second = QmpClient::connect(qemu.monitor(), within(std::chrono::milliseconds(300)));
  REQUIRE_FALSE(second);
  CHECK(second.error().code == Errc::TimedOut);
  CHECK(second.error().hint.find("another client") != std::string::npos);
}

TEST_CASE("events wait in the queue while commands are answered", "[guest]") {
  Qemu qemu;
  auto client = QmpClient::connect(qemu.monitor(), within(std::chrono::seconds(10)));
  REQUIRE(client);
  REQUIRE(client->execute("stop"));
  REQUIRE(client->execute("query-status"));
  auto event = client->take_event();
  REQUIRE(event);
  REQUIRE(*event);
  CHECK((*event)->name == "STOP");
}

TEST_CASE("a killed QEMU is noticed by the session", "[guest]") {
  Qemu qemu;
  auto client = QmpClient::connect(qemu.monitor(), within(std::chrono::seconds(10)));
  REQUIRE(client);
  qemu.kill();
  auto answer = client->execute("query-status");
  REQUIRE_FALSE(answer);
  CHECK(answer.error().message.find("QEMU went away") != std::string::npos);
  CHECK(client->execute("query-status").error().message == answer.error().message);
}
