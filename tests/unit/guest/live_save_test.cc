// SPDX-License-Identifier: MIT
// A live save's dealings with a monitor that tells of passes as the test likes.
#include "guest/capture/live_save.h"

#include <fmt/format.h>

#include <atomic>
#include <thread>

#include "guest/capture/capture_listener.h"
#include "guest/capture/capture_recorder.h"
#include "support/catch.h"
#include "unit/guest/scripted_monitor.h"

using namespace vmstream;
using namespace std::chrono_literals;
using testing::ScriptedMonitor;

namespace {

constexpr uint64_t kPage = 4096;

// What QEMU answers to query-migrate.
std::string progress(uint64_t syncs, uint64_t sent, uint64_t left) {
  return fmt::format(
      R"({{"status": "active", "ram": {{"dirty-sync-count": {}, "normal": {}, "duplicate": {}, )"
      R"("remaining": {}, "page-size": {}, "dirty-pages-rate": 700}}, "cpu-throttle-percentage": 20}})",
      syncs, sent / 2, sent - sent / 2, left * kPage, kPage);
}

// A live save and a monitor that gives these answers, one to each command.
class Steered {
 public:
  explicit Steered(std::vector<std::string> answers, CaptureOptions options = {},
                   CaptureObserver* observer = nullptr)
      : answers_(std::move(answers)),
        options_(std::move(options)),
        monitor_([this](ScriptedMonitor& m) { play(m); }),
        qmp_(QmpClient::adopt(monitor_.client_end(), {.deadline = Clock::now() + 20s})) {
    REQUIRE(qmp_);
    live.emplace(*qmp_, options_, observer);
    while (heard_ <= answers_.size()) turn();
  }

  std::optional<LiveSave> live;
  // Each command, the one behind the last answer too.
  std::vector<std::string> commands;

  void turn(bool guest_stands_still = false) {
    live->on_pass();
    REQUIRE(qmp_->take_event());
    REQUIRE(live->on_turn(guest_stands_still));
    std::this_thread::sleep_for(1ms);
  }

 private:
  void play(ScriptedMonitor& monitor) {
    monitor.greet();
    for (const std::string& answer : answers_) {
      hear(monitor);
      monitor.say(fmt::format(R"({{"return": {}, "id": {}}})", answer, heard_ + 1));
    }
    hear(monitor);
    monitor.hear();
  }
  void hear(ScriptedMonitor& monitor) {
    commands.push_back(monitor.hear());
    ++heard_;
  }

  std::vector<std::string> answers_;
  CaptureOptions options_;
  std::atomic<size_t> heard_ = 0;
  ScriptedMonitor monitor_;
  Result<QmpClient> qmp_;
};

bool asks_for(const std::string& command, const char* what) {
  return command.find(what) != std::string::npos;
}

QmpEvent event(const char* name, double time) {
  return {.name = name, .data = "{}", .time = time};
}

Page page(const RamBlock& block, uint64_t number) {
  return {.block = &block,
          .block_offset = number * kPage,
          .kind = PageKind::Zero,
          .offset = 100,
          .payload_offset = 109};
}

}  // namespace

TEST_CASE("passes are measured by what QEMU tells of them", "[guest][live]") {
  Steered save({progress(1, 100, 9900), progress(1, 5000, 5000), progress(2, 10000, 3000),
                progress(2, 11000, 2000), progress(3, 13100, 1000)});
  const auto& looks = save.live->looks();
  REQUIRE(looks.size() == 2);
  CHECK(looks[0].pass.pages == 10000);
  CHECK(looks[0].pass.dirtied == 3000);
  CHECK(looks[1].pages_sent == 13100);
  CHECK(looks[1].pass.pages == 3100);
  CHECK(looks[1].pass.dirtied == 1100);  // 100 of the second pass had not been sent when it ended
  CHECK(looks[1].pass.left == 1000);
  CHECK(asks_for(save.commands.back(), "query-migrate"));
  CHECK(save.live->ended_by() == EndedBy::Downtime);  // as far as is known
  auto passes = save.live->passes({.pages_sent = 14100});
  REQUIRE(passes.size() == 3);
  CHECK(passes[1].pages == 3100);
  CHECK(passes[2].pages == 1000);
  CHECK(save.live->passes({.pages_sent = 13100}).size() == 2);
}

TEST_CASE("a rule that holds makes QEMU end the save, once", "[guest][live]") {
  Steered save({progress(1, 0, 10000), progress(2, 10000, 11000), progress(3, 20000, 12000), "{}",
                progress(4, 30000, 10)});
  REQUIRE(save.commands.size() == 6);
  CHECK(asks_for(save.commands[3], R"("downtime-limit":2000000)"));
  CHECK(asks_for(save.commands[4], "query-migrate"));
  CHECK(asks_for(save.commands[5], "query-migrate"));
  save.turn(true);
  CHECK(save.live->ended_by() == EndedBy::Stalls);
  REQUIRE(save.live->shortfall());
  CHECK(save.live->shortfall()->pause_seconds > 0);
}

TEST_CASE("a save that has converged fell short of nothing", "[guest][live]") {
  Steered save({progress(1, 0, 10000), progress(2, 10000, 50)});
  CHECK(asks_for(save.commands.back(), "downtime-limit"));
  CHECK(save.live->ended_by() == EndedBy::DirtyPages);
  CHECK_FALSE(save.live->shortfall());
}

TEST_CASE("others may end it too, told how much is left", "[guest][live]") {
  uint64_t left = 0;
  Steered save({progress(1, 0, 10000), progress(1, 4000, 6000), progress(2, 10000, 6000)},
               {.must_end = [&left](uint64_t bytes) {
                 left = bytes;
                 return bytes <= 6000 * kPage;
               }});
  CHECK(left == 6000 * kPage);
  CHECK(asks_for(save.commands.back(), "downtime-limit"));
  CHECK(save.live->ended_by() == EndedBy::Size);
}

TEST_CASE("an observer sees whether a save converges", "[guest][live]") {
  struct Watcher : CaptureObserver {
    LiveProgress last;
    void on_live(const LiveProgress& live) override { last = live; }
  } watcher;
  Steered save({progress(1, 0, 10000), progress(2, 10000, 3000)}, {}, &watcher);
  CHECK(watcher.last.pass == 2);
  CHECK(watcher.last.bytes_left == 3000 * kPage);
  CHECK(watcher.last.dirty_pages_per_second == 700);
  CHECK(watcher.last.throttle_percent == 20);
  CHECK(watcher.last.page_bytes == kPage);
  CHECK(watcher.last.converges);
  Steered behind({progress(1, 0, 10000), progress(2, 10000, 3000), progress(3, 13000, 3000)}, {},
                 &watcher);
  CHECK_FALSE(watcher.last.converges);
}

TEST_CASE("how far a save fell short is measured when a rule holds", "[guest][live]") {
  Steered save({progress(1, 0, 10000), progress(2, 10000, 11000), progress(3, 20000, 12000), "{}",
                progress(4, 20000, 12000), progress(5, 32000, 7)});
  save.turn(true);
  REQUIRE(save.live->shortfall());
  const CapturePass& last = save.live->looks()[1].pass;
  CHECK(last.left == 12000);
  CHECK(save.live->shortfall()->pause_seconds == Approx(12000 * last.seconds / 10000));
}

TEST_CASE("the pause is the time between QEMU's own stamps", "[guest][live]") {
  PauseClock pause;
  CHECK(pause.seconds(50) == 0);
  pause.on_event(event("RESUME", 5));
  pause.on_event(event("STOP", 10));
  pause.on_event(event("MIGRATION", 11));
  pause.on_event(event("STOP", 12));  // stopped for the last pages, having been stopped before
  CHECK(pause.stands_still());
  CHECK(pause.seconds(14) == 4);
  pause.on_event(event("RESUME", 13));
  CHECK_FALSE(pause.stands_still());
  pause.on_event(event("STOP", 20));
  pause.on_event(event("RESUME", 20.5));
  CHECK(pause.seconds(99) == 3.5);
}

TEST_CASE("a pass ends where pages begin again, if the sender makes rounds", "[guest][live]") {
  std::vector<RamBlock> blocks(2);
  PassMeter rounds(true), snapshot(false);
  for (PassMeter* meter : {&rounds, &snapshot}) {
    for (uint64_t number : {0u, 1u, 7u}) REQUIRE(meter->on_page(page(blocks[0], number)));
    for (uint64_t number : {0u, 3u, 3u}) REQUIRE(meter->on_page(page(blocks[1], number)));
    REQUIRE(meter->on_page(page(blocks[0], 5)));
  }
  auto passes = rounds.passes();
  REQUIRE(passes.size() == 3);
  CHECK(passes[0].pages == 5);
  CHECK(passes[0].bytes == 45);
  CHECK(passes[1].pages == 1);
  CHECK(passes[2].pages == 1);
  REQUIRE(snapshot.passes().size() == 1);
  CHECK(snapshot.passes()[0].pages == 7);
}
