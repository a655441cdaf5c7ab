// SPDX-License-Identifier: MIT
// Captures of a real guest: what is saved, and that the guest is given back whatever happens.
#include <vmstream/capture.h>

#include <vmstream/digest.h>
#include <vmstream/ram_image.h>
#include "guest/guest_states.h"
#include "support/catch.h"
#include "support/cuttable_proxy.h"
#include "support/qemu.h"

using namespace vmstream;
using namespace std::chrono_literals;
using testing::contains;
using testing::Qemu;
using testing::TrippingSink;
using testing::within;

namespace {

constexpr size_t kMiddle = 1u << 20;  // of a stream of about 3 MiB

// A guest that counts, and what its QEMU is set to.
struct RunningGuest {
  explicit RunningGuest(const testing::QemuOptions& options = {}) : qemu(options) {
    qemu.await_ticks(5);
    settings = ask_settings();
  }
  std::string ask_settings() const {
    return qemu.ask("query-migrate-parameters") + qemu.ask("query-migrate-capabilities");
  }
  void check_as_before() const {
    CHECK(qemu.run_state() == "running");
    CHECK(qemu.await_ticks(3).memory_intact);
    CHECK(ask_settings() == settings);
  }

  Qemu qemu;
  std::string settings;
};

// Opens, captures into `sink`, and leaves the rest to the destructor.
Result<CaptureSummary> try_capture(const Qemu& qemu, ByteSink& sink, CaptureOptions options = {}) {
  if (!options.limits.deadline) options.limits.deadline = Clock::now() + 30s;
  auto capture = GuestCapture::open(qemu.monitor(), options);
  if (!capture) return capture.error();
  auto summary = capture->capture(sink);
  if (!summary) {
    CHECK_FALSE(capture->recovery_error());
    return summary;
  }
  if (auto completed = capture->complete(); !completed) return completed.error();
  return summary;
}

std::string sha256_of(std::span<const std::byte> bytes) {
  Sha256 hash;
  hash.update(bytes);
  return hash.finish();
}

}  // namespace

TEST_CASE("a running guest is saved whole and counts on", "[guest][capture]") {
  RunningGuest guest({.tcp_monitor = GENERATE(false, true)});
  std::vector<std::byte> bytes;
  auto summary = try_capture(guest.qemu, *make_memory_sink(bytes), {.threads = GENERATE(0u, 1u)});
  INFO((summary ? "" : summary.error().message));
  REQUIRE(summary);
  guest.check_as_before();
  CHECK(summary->counts.stream_bytes == bytes.size());
  CHECK(summary->counts.guest_bytes >= 32u << 20);
  CHECK(summary->counts.pages * 4096 >= summary->counts.guest_bytes);
  CHECK(summary->counts.device_sections > 20);
  CHECK(summary->machine.starts_with("pc-i440fx-"));
  CHECK_FALSE(summary->qemu_version.empty());
  CHECK(summary->sha256 == sha256_of(bytes));
  CHECK(summary->passes.size() == 1);
  CHECK(summary->pause_seconds > 0);
  CHECK(summary->pause_seconds <= summary->total_seconds);
}

TEST_CASE("a guest that was found stopped stays stopped", "[guest][capture]") {
  Qemu qemu;
  qemu.await_ticks(5);
  qemu.ask("stop");
  std::vector<std::byte> bytes;
  auto summary = try_capture(qemu, *make_memory_sink(bytes));
  REQUIRE(summary);
  CHECK(summary->pause_seconds == 0);
  CHECK(qemu.stands_still());
  CHECK(qemu.run_state() == "postmigrate");
  // QEMU itself refuses to save it once more; the way out is told.
  auto again = try_capture(qemu, *make_memory_sink(bytes));
  REQUIRE_FALSE(again);
  CHECK(contains(again.error().hint, "cont"));
}

TEST_CASE("the index of a save tells how it was made and leads to the memory", "[guest][capture]") {
  RunningGuest guest;
  std::vector<std::byte> bytes;
  std::optional<StateIndex> index;
  auto summary = try_capture(guest.qemu, *make_memory_sink(bytes),
                             {.index = [&index](StateIndex given) { index = std::move(given); }});
  REQUIRE(summary);
  REQUIRE(index);
  const CaptureCircumstances& how = index->facts.capture;
  CHECK(how.mode == "stop");
  CHECK(how.run_state == "running");
  CHECK(how.qemu_version == summary->qemu_version);
  CHECK(how.time.size() == std::string("2026-11-21T03:55:00Z").size());
  CHECK(index->facts.sha256 == summary->sha256);
  CHECK(index->facts.plain_bytes == bytes.size());
  auto plain = make_random_memory(bytes);
  auto image = RamImage::make(*plain, std::move(*index));
  REQUIRE(image);
  auto ram = image->find_block("pc.ram");
  REQUIRE(ram);
  std::vector<std::byte> memory(image->page_count(*ram) * image->page_size());
  auto absent = image->read(*ram, 0, memory);
  REQUIRE(absent);
  CHECK(*absent == 0);
  CHECK(memory[0x7dfe] == std::byte{0x55});  // the boot sector's mark, where the firmware put it
  CHECK(memory[0x7dff] == std::byte{0xaa});
}

TEST_CASE("what becomes of the guest afterwards", "[guest][capture]") {
  Qemu qemu;
  qemu.await_ticks(5);
  std::vector<std::byte> bytes;
  auto sink = make_memory_sink(bytes);
  SECTION("pause") {
    REQUIRE(try_capture(qemu, *sink, {.after = After::Pause}));
    CHECK(qemu.stands_still());
  }
  SECTION("quit") {
    REQUIRE(try_capture(qemu, *sink, {.after = After::Quit}));
    auto end = qemu.wait_for_end();
    REQUIRE(end);
    CHECK(end->success());
  }
  SECTION("pause is not carried out when the output could not be made durable") {
    {
      auto capture =
          GuestCapture::open(qemu.monitor(), {.after = After::Pause, .limits = within(30s)});
      REQUIRE(capture);
      REQUIRE(capture->capture(*sink));
      CHECK(qemu.stands_still());
    }
    CHECK(qemu.run_state() == "running");
  }
}

TEST_CASE("capabilities and bandwidth are put back as they were found", "[guest][capture]") {
  RunningGuest guest;
  guest.qemu.ask("migrate-set-capabilities",
                 R"({"capabilities": [{"capability": "release-ram", "state": true},
                                      {"capability": "return-path", "state": true},
                                      {"capability": "pause-before-switchover", "state": true},
                                      {"capability": "events", "state": true}]})");
  guest.qemu.ask("migrate-set-parameters", R"({"max-bandwidth": 12345678})");
  guest.settings = guest.ask_settings();
  std::vector<std::byte> bytes;
  REQUIRE(try_capture(guest.qemu, *make_memory_sink(bytes)));
  guest.check_as_before();
}

TEST_CASE("a sink that fails: its error, and the guest as before", "[guest][capture]") {
  RunningGuest guest({.tcp_monitor = GENERATE(false, true)});
  TrippingSink sink(GENERATE(size_t{1}, kMiddle), [] { return Error{Errc::Refused, "full"}; });
  auto summary = try_capture(guest.qemu, sink);
  REQUIRE_FALSE(summary);
  CHECK(summary.error().message == "full");
  guest.check_as_before();
}

TEST_CASE("an interrupt in the middle: the guest as before", "[guest][capture]") {
  RunningGuest guest;
  auto cancellation = Cancellation::create();
  REQUIRE(cancellation);
  TrippingSink sink(kMiddle, [&] {
    cancellation->request();
    return ok();
  });
  CaptureOptions options;
  options.max_bandwidth = 4u << 20;
  options.limits = {&*cancellation, Clock::now() + 30s};
  auto summary = try_capture(guest.qemu, sink, options);
  REQUIRE_FALSE(summary);
  CHECK(summary.error().code == Errc::Interrupted);
  guest.check_as_before();
}

TEST_CASE("a deadline in the middle: the guest as before", "[guest][capture]") {
  RunningGuest guest;
  std::vector<std::byte> bytes;
  CaptureOptions options;
  options.max_bandwidth = 1u << 20;
  options.limits = within(1500ms);
  auto summary = try_capture(guest.qemu, *make_memory_sink(bytes), options);
  REQUIRE_FALSE(summary);
  CHECK(summary.error().code == Errc::TimedOut);
  CHECK_FALSE(bytes.empty());
  guest.check_as_before();
}

TEST_CASE("QEMU killed in the middle is told from a finished stream", "[guest][capture]") {
  Qemu qemu;
  qemu.await_ticks(5);
  TrippingSink sink(kMiddle, [&] {
    qemu.kill();
    return ok();
  });
  auto capture = GuestCapture::open(qemu.monitor(), {.limits = within(30s)});
  REQUIRE(capture);
  auto summary = capture->capture(sink);
  REQUIRE_FALSE(summary);
  CHECK(summary.error().code == Errc::Environment);
  CHECK(contains(summary.error().message, "QEMU went away"));
  REQUIRE(capture->recovery_error());
  CHECK(contains(capture->recovery_error()->hint, "cont"));
  CHECK_FALSE(capture->complete());
}

TEST_CASE("a session that breaks: a new one gives the guest back", "[guest][capture]") {
  RunningGuest guest;
  testing::CuttableProxy proxy(guest.qemu.monitor());
  TrippingSink sink(kMiddle, [&] {
    proxy.cut();
    return ok();
  });
  auto capture = GuestCapture::open(proxy.address(), {.limits = within(30s)});
  REQUIRE(capture);
  auto summary = capture->capture(sink);
  REQUIRE_FALSE(summary);
  CHECK(summary.error().code == Errc::Environment);
  CHECK_FALSE(capture->recovery_error());
  proxy.cut();
  guest.check_as_before();
}

TEST_CASE("a device that cannot be saved: QEMU's own words", "[guest][capture]") {
  RunningGuest guest({.extra = {"-object", "memory-backend-ram,id=shm,size=1M,share=on", "-device",
                                "ivshmem-plain,memdev=shm,master=off"}});
  std::vector<std::byte> bytes;
  auto summary = try_capture(guest.qemu, *make_memory_sink(bytes));
  REQUIRE_FALSE(summary);
  CHECK(summary.error().code == Errc::Environment);
  CHECK(contains(summary.error().message, "migrate: "));
  CHECK(contains(summary.error().message, "ivshmem"));
  guest.check_as_before();
}

TEST_CASE("another migration is left alone", "[guest][capture]") {
  RunningGuest guest;
  guest.qemu.ask("migrate", R"({"uri": "exec:sleep 20"})");
  auto capture = GuestCapture::open(guest.qemu.monitor(), {.limits = within(30s)});
  REQUIRE_FALSE(capture);
  CHECK(capture.error().code == Errc::Environment);
  CHECK(contains(capture.error().message, "another migration"));
  CHECK_FALSE(contains(guest.qemu.ask("query-migrate"), "cancel"));  // "setup", then "active"
}

TEST_CASE("a QEMU that waits for a guest has none to save", "[guest][capture]") {
  Qemu qemu({.incoming = true});
  auto capture = GuestCapture::open(qemu.monitor(), {.limits = within(30s)});
  REQUIRE_FALSE(capture);
  CHECK(contains(capture.error().message, "incoming"));
}

TEST_CASE("progress is reported while bytes flow slowly", "[guest][capture]") {
  struct Watcher : CaptureObserver {
    int reports = 0;
    uint64_t last = 0;
    void on_progress(const StreamCounts& counts) override {
      CHECK(counts.stream_bytes >= last);
      last = counts.stream_bytes;
      ++reports;
    }
  } watcher;
  RunningGuest guest;
  std::vector<std::byte> bytes;
  CaptureOptions options;
  options.max_bandwidth = 3u << 20;
  options.limits = within(30s);
  auto capture = GuestCapture::open(guest.qemu.monitor(), options, &watcher);
  REQUIRE(capture);
  auto summary = capture->capture(*make_memory_sink(bytes));
  REQUIRE(summary);
  CHECK(watcher.last == bytes.size());
  CHECK(watcher.reports >= 5 * static_cast<int>(summary->total_seconds));
}

TEST_CASE("a stream that arrives by itself is checked and counted alike", "[guest][capture]") {
  const auto& saved = testing::guest_saved_running();
  std::vector<std::byte> bytes;
  auto source = make_memory_source(saved.bytes);
  auto summary = capture_stream(*source, *make_memory_sink(bytes), {});
  REQUIRE(summary);
  CHECK(bytes == saved.bytes);
  CHECK(summary->sha256 == sha256_of(bytes));
  auto half = make_memory_source(std::span(saved.bytes).first(bytes.size() / 2));
  auto cut = capture_stream(*half, *make_memory_sink(bytes), {});
  REQUIRE_FALSE(cut);
  CHECK(cut.error().code == Errc::Truncated);
}
