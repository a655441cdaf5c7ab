// SPDX-License-Identifier: MIT
#include <vmstream/qmp.h>

#include <filesystem>

#include <vmstream/cancellation.h>
#include "support/catch.h"
#include "support/temp_dir.h"
#include "unit/guest/scripted_monitor.h"

using namespace vmstream;
using testing::ScriptedMonitor;

namespace {

WaitLimits within(std::chrono::milliseconds time) {
  return {.deadline = Clock::now() + time};
}

// From now on, however long the tests before took.
WaitLimits patient() {
  return within(std::chrono::seconds(30));
}

// A session whose monitor goes on with `script` once it has greeted.
Result<QmpClient> session(ScriptedMonitor& monitor, WaitLimits limits = patient()) {
  return QmpClient::adopt(monitor.client_end(), limits);
}

ScriptedMonitor::Script after_greeting(ScriptedMonitor::Script script) {
  return [script = std::move(script)](ScriptedMonitor& monitor) {
    monitor.greet();
    script(monitor);
  };
}

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

}  // namespace

TEST_CASE("addresses are paths, unix: and tcp:", "[qmp]") {
  CHECK(QmpAddress::parse("/run/q")->path == "/run/q");
  CHECK(QmpAddress::parse("unix:q")->path == "q");
  auto tcp = QmpAddress::parse("tcp:example:4444");
  REQUIRE(tcp);
  CHECK(tcp->kind == QmpAddress::Kind::Tcp);
  CHECK(tcp->host == "example");
  CHECK(tcp->port == "4444");
  CHECK(QmpAddress::parse("tcp:[::1]:4444")->host == "::1");
  CHECK(QmpAddress::parse("tcp::4444")->host == "localhost");
}

TEST_CASE("what is no address is refused with the forms there are", "[qmp]") {
  for (std::string text :
       {"", "unix:", "tcp:host", "tcp:host:",
        "unix:0123456789012345678901234567890123456789012345678901234567890123456789"
        "0123456789012345678901234567890123456789"}) {
    auto address = QmpAddress::parse(text);
    REQUIRE_FALSE(address);
    CHECK(address.error().code == Errc::Usage);
    CHECK(contains(address.error().hint, "tcp:HOST:PORT"));
  }
}

TEST_CASE("nobody at the address: the error names it and says how to start QEMU", "[qmp]") {
  testing::TempDir folder;
  auto client = QmpClient::connect(*QmpAddress::parse(folder / "none"), patient());
  REQUIRE_FALSE(client);
  CHECK(client.error().code == Errc::Environment);
  CHECK(contains(client.error().message, folder / "none"));
  CHECK(contains(client.error().message, "No such file"));
  CHECK(contains(client.error().hint, "-qmp unix:"));
  auto refused_v6 = QmpClient::connect(*QmpAddress::parse("tcp:[::1]:1"), patient());
  REQUIRE_FALSE(refused_v6);
  CHECK(contains(refused_v6.error().hint, "-qmp tcp:[::1]:1,server=on"));
  auto refused = QmpClient::connect(*QmpAddress::parse("tcp:127.0.0.1:1"), patient());
  REQUIRE_FALSE(refused);
  CHECK(contains(refused.error().message, "Connection refused"));
}

TEST_CASE("greeting, version, answer", "[qmp]") {
  std::string heard;
  ScriptedMonitor monitor(after_greeting([&](ScriptedMonitor& m) {
    heard = m.hear();
    m.say(R"({"return": {"running": true}, "id": 2})");
    m.hear();
  }));
  {
    auto client = session(monitor);
    REQUIRE(client);
    CHECK(client->qemu_version() == "7.2.22");
    CHECK(client->can_pass_fds());
    auto answer = client->execute("query-status", R"({"a": 1})");
    REQUIRE(answer);
    CHECK(*answer == R"({"running":true})");
  }
  CHECK(contains(heard, R"("execute":"query-status")"));
  CHECK(contains(heard, R"("arguments":{"a":1})"));
}

TEST_CASE("an answer may come in pieces and over many lines", "[qmp]") {
  ScriptedMonitor monitor(after_greeting([](ScriptedMonitor& m) {
    m.hear();
    for (char c : std::string("\r\n{\n  \"return\": \"a } \\\" {\",\n  \"id\": 2\n}\n")) {
      m.say(std::string(1, c));
    }
    m.hear();
  }));
  auto client = session(monitor);
  REQUIRE(client);
  auto answer = client->execute("x");
  REQUIRE(answer);
  CHECK(*answer == R"("a } \" {")");
}

TEST_CASE("QEMU's own words come out of an error answer, escaped", "[qmp]") {
  ScriptedMonitor monitor(after_greeting([](ScriptedMonitor& m) {
    m.hear();
    m.say(R"({"id": 2, "error": {"class": "GenericError", "desc": "no\u001b such"}})");
    m.hear();
    m.say(R"({"return": 1, "id": 3})");
    m.hear();
  }));
  auto client = session(monitor);
  REQUIRE(client);
  auto refused = client->execute("migrate");
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == Errc::Environment);
  CHECK(refused.error().message == "migrate: no\\x1b such");
  CHECK(client->execute("next"));
}

TEST_CASE("a posted command is answered when QEMU can", "[qmp]") {
  ScriptedMonitor monitor(after_greeting([](ScriptedMonitor& m) {
    m.hear();
    m.hear();
    m.say(R"({"event": "STOP", "timestamp": {"seconds": 12, "microseconds": 500000}})");
    m.say(R"({"return": {"late": 1}, "id": 2})");
    m.say(R"({"return": 3, "id": 3})");
    m.hear();
    m.say(R"({"error": {"desc": "no"}, "id": 4})");
    m.hear();
  }));
  auto client = session(monitor);
  REQUIRE(client);
  REQUIRE(client->post("query-migrate"));
  CHECK(client->awaits_answer());
  CHECK_FALSE(*client->take_answer());
  CHECK(client->post("another").error().code == Errc::Usage);
  auto executed = client->execute("x");  // whose answer comes behind the other
  REQUIRE(executed);
  CHECK(*executed == "3");
  auto event = client->take_event();
  REQUIRE(*event);
  CHECK((*event)->time == 12.5);
  auto late = client->take_answer();
  REQUIRE(late);
  CHECK(**late == R"({"late":1})");
  CHECK_FALSE(client->awaits_answer());

  REQUIRE(client->post("refused"));
  auto refused = client->take_answer();
  while (refused && !*refused) {
    REQUIRE(client->take_event());
    refused = client->take_answer();
  }
  CHECK(refused.error().message == "refused: no");
}

TEST_CASE("events before an answer are queued, answers to others are dropped", "[qmp]") {
  ScriptedMonitor monitor(after_greeting([](ScriptedMonitor& m) {
    m.hear();
    m.say(R"({"event": "STOP", "timestamp": {}}{"return": "late", "id": 1})"
          R"({"event": "JOB", "data": {"id": "j"}}{"return": "mine", "id": 2})");
    m.hear();
  }));
  auto client = session(monitor);
  REQUIRE(client);
  CHECK(*client->execute("x") == R"("mine")");
  auto first = client->take_event();
  REQUIRE((first && *first));
  CHECK((*first)->name == "STOP");
  CHECK((*first)->data == "{}");
  auto second = client->take_event();
  REQUIRE((second && *second));
  CHECK((*second)->data == R"({"id":"j"})");
  auto none = client->take_event();
  REQUIRE(none);
  CHECK_FALSE(*none);
}

TEST_CASE("a flood of events keeps the newest thousand", "[qmp]") {
  ScriptedMonitor monitor(after_greeting([](ScriptedMonitor& m) {
    m.hear();
    for (int i = 0; i < 3000; ++i) m.say(R"({"event": "E)" + std::to_string(i) + "\"}\n");
    m.say(R"({"return": {}, "id": 2})");
    m.hear();
  }));
  auto client = session(monitor);
  REQUIRE(client);
  REQUIRE(client->execute("x"));
  size_t count = 0;
  std::string last;
  for (auto event = client->take_event(); event && *event; event = client->take_event()) {
    last = (*event)->name;
    ++count;
  }
  CHECK(count == 1024);
  CHECK(last == "E2999");
}

TEST_CASE("a monitor that closes is an error of that call and every later one", "[qmp]") {
  ScriptedMonitor monitor(after_greeting([](ScriptedMonitor& m) {
    m.hear();
    m.say(R"({"return": )");
  }));
  auto client = session(monitor);
  REQUIRE(client);
  for (int i = 0; i < 2; ++i) {
    auto answer = client->execute("x");
    REQUIRE_FALSE(answer);
    CHECK(answer.error().code == Errc::Environment);
    CHECK(contains(answer.error().message, "QEMU went away"));
  }
  CHECK_FALSE(client->take_event());
}

TEST_CASE("what is no QMP ends the session with what was found", "[qmp]") {
  auto [said, wanted] = GENERATE(table<std::string, std::string>({
      {"QEMU 7.2.22 monitor - type 'help'\r\n(qemu) ", "QEMU 7.2.22 monitor"},
      {"\x1b[2J", "\\x1b[2J"},
      {"[1, 2]", "is no QMP message"},
      {R"({"QMP": nonsense})", "malformed JSON"},
      {R"({"hello": 1})", "did not greet"},
      {std::string(4096, '{'), "is no QMP message"},
  }));
  ScriptedMonitor monitor([said = said](ScriptedMonitor& m) {
    m.say(said);
    m.hear();
  });
  auto client = session(monitor);
  REQUIRE_FALSE(client);
  CHECK(client.error().code == Errc::Environment);
  CHECK(contains(client.error().message, wanted));
}

TEST_CASE("a message without end is cut off at 16 MiB", "[qmp]") {
  ScriptedMonitor monitor([](ScriptedMonitor& m) { m.say("{\"" + std::string(18u << 20, 'x')); });
  auto client = session(monitor);
  REQUIRE_FALSE(client);
  CHECK(contains(client.error().message, "more than 16777216 bytes"));
}

TEST_CASE("silence ends with the deadline, and the session can go on", "[qmp]") {
  ScriptedMonitor monitor(after_greeting([](ScriptedMonitor& m) {
    m.hear();
    m.hear();
    m.say(R"({"return": "late", "id": 2}{"return": "mine", "id": 3})");
    m.hear();
  }));
  auto client = session(monitor);
  REQUIRE(client);
  client->set_limits(within(std::chrono::milliseconds(30)));
  auto answer = client->execute("slow");
  REQUIRE_FALSE(answer);
  CHECK(answer.error().code == Errc::TimedOut);
  client->set_limits(patient());
  CHECK(*client->execute("next") == R"("mine")");
}

TEST_CASE("a cancellation ends the wait for the greeting", "[qmp]") {
  ScriptedMonitor monitor([](ScriptedMonitor& m) { m.hear(); });
  auto cancellation = Cancellation::create();
  REQUIRE(cancellation);
  cancellation->request();
  auto client = session(monitor, {.cancellation = &*cancellation});
  REQUIRE_FALSE(client);
  CHECK(client.error().code == Errc::Interrupted);
}

TEST_CASE("arguments that are no object are the caller's mistake", "[qmp]") {
  ScriptedMonitor monitor(after_greeting([](ScriptedMonitor& m) { m.hear(); }));
  auto client = session(monitor);
  REQUIRE(client);
  CHECK(client->execute("x", "[1]").error().code == Errc::Usage);
  CHECK(client->execute("x", "{").error().code == Errc::Usage);
}

TEST_CASE("a descriptor travels with its command", "[qmp]") {
  int got = -1;
  ScriptedMonitor monitor(after_greeting([&](ScriptedMonitor& m) {
    got = m.hear_descriptor();
    m.say(R"({"return": {}, "id": 2})");
    m.hear();
  }));
  auto pipe = make_pipe();
  REQUIRE(pipe);
  auto client = session(monitor);
  REQUIRE(client);
  REQUIRE(client->execute("getfd", R"({"fdname": "x"})", pipe->writer.get()));
  UniqueFd received(got);
  REQUIRE(received.is_open());
  CHECK(::write(received.get(), "x", 1) == 1);
  char byte = 0;
  CHECK(::read(pipe->reader.get(), &byte, 1) == 1);
}
