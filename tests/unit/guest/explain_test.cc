// SPDX-License-Identifier: MIT
#include <tuple>

#include <vmstream/capture.h>
#include <vmstream/lazy_restore.h>
#include <vmstream/restore.h>
#include "support/catch.h"

using namespace vmstream;

namespace {

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

QmpAddress address(const char* text) {
  return *QmpAddress::parse(text);
}

}  // namespace

TEST_CASE("a capture is explained with the commands that it would issue", "[explain]") {
  auto text = explain_capture(address("/run/it's"), {.max_bandwidth = 1000}, "gzip -c > guest.gz");
  CHECK(contains(text,
                 "{\"execute\": \"migrate-set-parameters\", \"arguments\": "
                 "{\"max-bandwidth\":1000}}\n"));
  CHECK(contains(text, "{\"execute\": \"migrate\", \"arguments\": {\"uri\":\"fd:vmstream\"}}\n"));
  CHECK(contains(text, "{\"execute\": \"cont\"}\n"));
  CHECK_FALSE(contains(text, "quit"));
  CHECK(contains(text, "socat -t 86400 - 'UNIX-CONNECT:/run/it'\\''s'"));
  CHECK(contains(text, "{\"uri\":\"exec:gzip -c > guest.gz\"}"));
  CHECK(contains(text, "# (exec: kills a QEMU that may start no program"));
  CHECK(contains(text, "{\"execute\": \"query-block\"}\n"));
}

TEST_CASE("what is explained depends on monitor and after", "[explain]") {
  auto text = explain_capture(address("tcp:[::1]:4444"), {.after = After::Quit}, "zstd -c > x");
  CHECK(contains(text, "unix:SOCKET"));
  CHECK_FALSE(contains(text, "getfd"));
  CHECK(contains(text, "{\"execute\": \"quit\"}\n"));
  CHECK(contains(text, "'TCP:[::1]:4444'"));
  CHECK(contains(text, "exec:zstd -c > x"));
}

TEST_CASE("each mode has commands of its own", "[explain]") {
  auto explained = [](CaptureMode mode, After after) {
    return explain_capture(address("/run/q"), {.mode = mode, .after = after}, "cat > x");
  };
  auto live = explained(CaptureMode::Live, After::Keep);
  CHECK_FALSE(contains(live, "\"stop\""));
  CHECK(contains(live, "{\"downtime-limit\":2000000}"));
  CHECK(contains(live, "\"cont\""));
  auto background = explained(CaptureMode::Background, After::Keep);
  CHECK(contains(background, "{\"capability\":\"background-snapshot\",\"state\":true}"));
  CHECK_FALSE(contains(background, "\"stop\""));
  CHECK_FALSE(contains(background, "\"cont\""));
  CHECK(contains(explained(CaptureMode::Background, After::Pause), "\"stop\""));
}

TEST_CASE("all that is set is explained, and put back", "[explain]") {
  auto explained = [](CaptureOptions options) {
    auto text = explain_capture(address("/run/q"), options, "cat > x");
    auto back = text.find("# the values that were found");
    REQUIRE(back != std::string::npos);
    return std::pair(text.substr(0, back), text.substr(back, text.find("# The nearest") - back));
  };
  auto [set, back] = explained({.mode = CaptureMode::Live,
                                .downtime_limit = std::chrono::milliseconds(50),
                                .auto_converge = true});
  CHECK(contains(set, "{\"capability\":\"auto-converge\",\"state\":true}"));
  CHECK(contains(set, "\"downtime-limit\":50,"));
  CHECK(contains(back, "{\"capability\":\"auto-converge\",\"state\":false}"));
  CHECK(contains(back, "{\"downtime-limit\":300,\"max-bandwidth\":134217728}"));
  std::tie(set, back) =
      explained({.mapped_ram = MappedRamOptions{.direct_io = true}, .threads = 3});
  CHECK(contains(set, "\"direct-io\":true"));
  CHECK(contains(set, "\"multifd-channels\":3"));
  CHECK(contains(back, "\"direct-io\":false"));
  CHECK(contains(back, "{\"capability\":\"mapped-ram\",\"state\":false}"));
}

TEST_CASE("the choice of a mode is explained by the one that is tried first", "[explain]") {
  auto text = explain_capture(address("/run/q"), {.mode = CaptureMode::Auto}, "cat > x");
  CHECK(contains(text, "# background here; where that cannot be had live"));
  CHECK(contains(text, "{\"capability\":\"background-snapshot\",\"state\":true}"));
  text = explain_capture(address("/run/q"),
                         {.mode = CaptureMode::Auto, .mapped_ram = MappedRamOptions{}}, "x");
  CHECK(contains(text, "# live here; where that cannot be had stop"));
}

TEST_CASE("a file that QEMU writes is lent to it", "[explain]") {
  auto text = explain_capture(address("/run/q"), {.mapped_ram = MappedRamOptions{}, .threads = 2},
                              "guest.mapped");
  CHECK(contains(text, "{\"capability\":\"mapped-ram\",\"state\":true}"));
  CHECK(contains(text, "{\"capability\":\"multifd\",\"state\":true}"));
  CHECK(contains(text, "\"add-fd\""));
  CHECK(contains(text, "{\"uri\":\"file:/dev/fdset/N,offset=0\"}"));
  CHECK(contains(text, "\"remove-fd\""));
  CHECK(contains(text, "{\"uri\":\"file:guest.mapped\"}"));
  CHECK_FALSE(contains(text, "getfd"));
}

TEST_CASE("snapshots of disks are explained where they are taken", "[explain]") {
  auto explained = [](CaptureMode mode) {
    auto text = explain_capture(address("/run/q"), {.mode = mode, .disk_folder = "/d"}, "cat > x");
    return text.substr(0, text.find("# The nearest"));
  };
  auto stopped = explained(CaptureMode::Stop);
  CHECK(contains(stopped, "\"pause-before-switchover\""));
  CHECK(stopped.find("\"migrate\"") < stopped.find("\"transaction\""));
  CHECK(stopped.find("\"transaction\"") < stopped.find("\"migrate-continue\""));
  auto background = explained(CaptureMode::Background);
  CHECK(background.find("\"stop\"") < background.find("\"transaction\""));
  CHECK(background.find("\"transaction\"") < background.find("\"migrate\""));
  CHECK(background.find("\"migrate\"") < background.find("\"cont\""));
  CHECK(contains(background, "/d/DEVICE-TIME-TAG-NUMBER.qcow2"));
}

TEST_CASE("a restore is explained", "[explain]") {
  auto where = address("/run/q");
  auto paused = explain_restore("'guest.zst'", &where, {.run_state = RunState::Paused});
  CHECK(paused.find("\"stop\"") < paused.find("\"migrate-incoming\""));
  CHECK(contains(paused, "-S -incoming \"exec:vmrestore 'guest.zst'\""));
  auto running = explain_restore("'guest.zst'", nullptr, {.run_state = RunState::Running});
  CHECK(running.find("\"stop\"") < running.find("\"migrate-incoming\""));
  CHECK(running.find("\"migrate-incoming\"") < running.find("\"cont\""));
  auto as_saved = explain_restore("'guest.zst'", nullptr, {.start_last = true});
  CHECK(as_saved.find("\"stop\"") < as_saved.find("\"migrate-incoming\""));
  CHECK(contains(as_saved, "# if the guest was saved running:\n{\"execute\": \"cont\"}\n"));
  auto untouched = explain_restore("'guest.zst'", &where, {});
  CHECK_FALSE(contains(untouched, "\"stop\""));
  CHECK_FALSE(contains(untouched, "\"cont\""));
}

TEST_CASE("a lazy restore is explained with the capability that it needs", "[explain][lazy]") {
  auto text = explain_lazy_restore(nullptr, RunState::Running);
  CHECK(contains(text, "{\"capabilities\":[{\"capability\":\"postcopy-ram\",\"state\":true}]}"));
  CHECK(contains(text, "{\"execute\": \"cont\"}\n"));
  CHECK(contains(text, "fd:vmstream"));
  CHECK(contains(text, "\"id\":\"vmstream-lazy-DIGEST\""));
  CHECK_FALSE(contains(text, "stop"));
  auto over_tcp = address("tcp:[::1]:4444");
  text = explain_lazy_restore(&over_tcp, RunState::AsSaved);
  CHECK(contains(text, "unix:SOCKET"));
  CHECK(contains(text, "# if the guest was saved paused:\n{\"execute\": \"stop\"}\n"));
}

TEST_CASE("so is what a lazy restore is gone on with", "[explain][lazy]") {
  auto text = explain_lazy_recovery(address("/run/q"));
  CHECK(contains(text, "postcopy-paused"));
  CHECK(contains(text,
                 "{\"execute\": \"migrate-recover\", \"arguments\": {\"uri\":\"fd:vmstream\"}}\n"));
  CHECK_FALSE(contains(text, "migrate-incoming"));
}
