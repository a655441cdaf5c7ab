// SPDX-License-Identifier: MIT
// Restores into a real QEMU: the guest goes on where it was, and a faulty stream never becomes one.
#include <vmstream/restore.h>

#include <algorithm>
#include <thread>

#include "guest/guest_states.h"
#include "support/catch.h"
#include "support/qemu.h"

using namespace vmstream;
using namespace std::chrono_literals;
using testing::contains;
using testing::guest_saved_running;
using testing::guest_saved_stopped;
using testing::Qemu;
using testing::within;

namespace {

// A whole round of the guest's checks over its memory.
constexpr uint64_t kWholeRound = 34;

// A source that gives its bytes in pieces, as a pipe does.
class PiecewiseSource final : public ByteSource {
 public:
  explicit PiecewiseSource(std::span<const std::byte> bytes) : rest_(bytes) {}
  Result<size_t> read(std::span<std::byte> into) override {
    size_t count = std::min({into.size(), rest_.size(), size_t{50'000}});
    std::copy_n(rest_.begin(), count, into.begin());
    rest_ = rest_.subspan(count);
    return count;
  }

 private:
  std::span<const std::byte> rest_;
};

Result<RestoreSummary> try_restore(const Qemu& qemu, std::span<const std::byte> bytes,
                                   RunState run_state = RunState::AsSaved,
                                   RestoreObserver* observer = nullptr) {
  auto client = QmpClient::connect(qemu.monitor(), within(30s));
  REQUIRE(client);
  PiecewiseSource source(bytes);
  return restore_guest(source, *client, {.run_state = run_state, .limits = within(30s)}, observer);
}

void check_goes_on(const std::string& serial, uint64_t last_tick_saved) {
  auto tick = testing::wait_for_tick(serial, last_tick_saved + kWholeRound);
  REQUIRE(tick);
  auto ticks = testing::read_ticks(serial);
  // The line that was being printed is cut, so the first whole one may be one further.
  CHECK(ticks.front().number >= last_tick_saved);
  CHECK(ticks.front().number <= last_tick_saved + 2);
  for (const auto& one : ticks) CHECK(one.memory_intact);
}

// A QEMU of our own in which the guest that was saved stopped runs.
QemuProcess run_saved_guest(const std::string& serial, bool daemon) {
  testing::QemuOptions options;
  if (daemon) options.extra = {"-daemonize"};
  auto qemu = QemuProcess::start(testing::qemu_command(serial, options), within(30s));
  REQUIRE(qemu);
  auto source = make_memory_source(guest_saved_stopped().bytes);
  REQUIRE(
      restore_guest(*source, qemu->qmp(), {.run_state = RunState::Running, .limits = within(30s)}));
  return std::move(*qemu);
}

// Ended with a failure, and never ran an instruction of the guest.
void check_never_ran(Qemu& qemu) {
  auto end = qemu.wait_for_end();
  REQUIRE(end);
  CHECK_FALSE(end->success());
  CHECK(testing::read_ticks(qemu.serial()).empty());
}

}  // namespace

TEST_CASE("a guest counts on in a second QEMU, its memory intact", "[guest][restore]") {
  Qemu qemu({.incoming = true, .tcp_monitor = GENERATE(false, true)});
  const auto& saved = guest_saved_stopped();
  auto summary = try_restore(qemu, saved.bytes, RunState::Running);
  INFO((summary ? "" : summary.error().message));
  REQUIRE(summary);
  CHECK(summary->run_state == "running");
  CHECK(summary->machine.starts_with("pc-i440fx-"));
  CHECK(summary->counts.stream_bytes == saved.bytes.size());
  check_goes_on(qemu.serial(), saved.tick);
}

TEST_CASE("the run state after the load", "[guest][restore]") {
  Qemu qemu({.incoming = true});
  SECTION("saved stopped: stopped") {
    auto summary = try_restore(qemu, guest_saved_stopped().bytes);
    REQUIRE(summary);
    CHECK(summary->run_state == "paused");
    CHECK(qemu.stands_still());
    qemu.ask("cont");
    check_goes_on(qemu.serial(), guest_saved_stopped().tick);
  }
  SECTION("saved running: running") {
    auto summary = try_restore(qemu, guest_saved_running().bytes);
    REQUIRE(summary);
    CHECK(summary->run_state == "running");
    check_goes_on(qemu.serial(), guest_saved_running().tick);
  }
  SECTION("saved running, wanted paused: never runs") {
    auto summary = try_restore(qemu, guest_saved_running().bytes, RunState::Paused);
    REQUIRE(summary);
    CHECK(summary->run_state == "paused");
    CHECK(qemu.stands_still());
    CHECK(testing::read_ticks(qemu.serial()).empty());
  }
}

TEST_CASE("a guest that was saved, restored and saved again is the same guest",
          "[guest][restore]") {
  Qemu first({.incoming = true});
  REQUIRE(try_restore(first, guest_saved_stopped().bytes, RunState::Running));
  check_goes_on(first.serial(), guest_saved_stopped().tick);
  std::vector<std::byte> again;
  auto capture = GuestCapture::open(first.monitor(), {.after = After::Quit, .limits = within(30s)});
  REQUIRE(capture);
  REQUIRE(capture->capture(*make_memory_sink(again)));
  REQUIRE(capture->complete());
  uint64_t tick = first.last_tick().number;
  Qemu second({.incoming = true});
  REQUIRE(try_restore(second, again, RunState::Running));
  check_goes_on(second.serial(), tick);
}

TEST_CASE("a QEMU without -incoming is left alone", "[guest][restore]") {
  Qemu qemu;
  qemu.await_ticks(3);
  auto summary = try_restore(qemu, guest_saved_stopped().bytes, RunState::Paused);
  REQUIRE_FALSE(summary);
  CHECK(summary.error().code == Errc::Environment);
  CHECK(contains(summary.error().message, "run state 'running', wanted 'inmigrate'"));
  CHECK(contains(summary.error().hint, "-incoming defer"));
  CHECK(qemu.await_ticks(3).memory_intact);
}

TEST_CASE("a source that gives nothing leaves QEMU waiting for another", "[guest][restore]") {
  Qemu qemu({.incoming = true});
  for (size_t length : {size_t{0}, size_t{6}}) {
    auto cut =
        try_restore(qemu, std::span(guest_saved_running().bytes).first(length), RunState::Paused);
    REQUIRE_FALSE(cut);
    CHECK(cut.error().code == Errc::Truncated);
    CHECK(qemu.run_state() == "inmigrate");
  }
  REQUIRE(try_restore(qemu, guest_saved_running().bytes));
  check_goes_on(qemu.serial(), guest_saved_running().tick);
}

TEST_CASE("a cut stream never becomes a running guest", "[guest][restore]") {
  const auto& bytes = guest_saved_running().bytes;
  size_t whole = bytes.size();
  auto length =
      GENERATE_REF(size_t{12}, size_t{300}, whole / 3, whole - 120'000, whole - 60'000, whole - 1);
  CAPTURE(length, whole);
  Qemu qemu({.incoming = true, .tcp_monitor = length == whole / 3});
  auto summary = try_restore(qemu, std::span(bytes).first(length));
  REQUIRE_FALSE(summary);
  CHECK(summary.error().code == Errc::Truncated);
  check_never_ran(qemu);
}

TEST_CASE("a damaged stream never becomes a running guest", "[guest][restore]") {
  auto bytes = guest_saved_running().bytes;
  // The footer of the last device section stands before EOF, vmdesc record and JSON.
  std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  size_t vmdesc = text.rfind(std::string_view("\x00\x06", 2));
  REQUIRE(vmdesc != std::string_view::npos);
  bytes[vmdesc - 1] ^= std::byte{0xff};
  Qemu qemu({.incoming = true});
  auto summary = try_restore(qemu, bytes);
  REQUIRE_FALSE(summary);
  CHECK(summary.error().code == Errc::Malformed);
  CHECK(summary.error().offset);
  check_never_ran(qemu);
}

TEST_CASE("a source that fails at its very end holds the guest back", "[guest][restore]") {
  // A decoder that finds a bad checksum behind the last byte.
  struct BadEnd : ByteSource {
    std::span<const std::byte> rest = guest_saved_running().bytes;
    Result<size_t> read(std::span<std::byte> into) override {
      if (rest.empty()) return Error{Errc::Malformed, "checksum differs"};
      size_t count = std::min(into.size(), rest.size());
      std::copy_n(rest.begin(), count, into.begin());
      rest = rest.subspan(count);
      return count;
    }
  } source;
  Qemu qemu({.incoming = true});
  {
    auto client = QmpClient::connect(qemu.monitor(), within(30s));
    REQUIRE(client);
    auto summary = restore_guest(source, *client, {.limits = within(30s)});
    REQUIRE_FALSE(summary);
    CHECK(summary.error().message == "checksum differs");
  }
  check_never_ran(qemu);
}

TEST_CASE("a QEMU that refuses the stream is said to have ended", "[guest][restore]") {
  Qemu qemu({.incoming = true, .memory_mib = 48});
  auto summary = try_restore(qemu, guest_saved_stopped().bytes);
  REQUIRE_FALSE(summary);
  CHECK(summary.error().code == Errc::Environment);
  CHECK(contains(summary.error().message, "QEMU ended while it loaded the guest"));
  CHECK(contains(summary.error().hint, "stderr"));
  check_never_ran(qemu);
}

TEST_CASE("an interrupt in the middle of the load ends it", "[guest][restore]") {
  struct Interrupting : ByteSource {
    const Cancellation* cancellation = nullptr;
    PiecewiseSource pieces{guest_saved_running().bytes};
    size_t reads = 0;
    Result<size_t> read(std::span<std::byte> into) override {
      if (++reads == 20) cancellation->request();
      return pieces.read(into);
    }
  } source;
  auto cancellation = Cancellation::create();
  REQUIRE(cancellation);
  source.cancellation = &*cancellation;
  Qemu qemu({.incoming = true});
  {
    auto client = QmpClient::connect(qemu.monitor(), within(30s));
    REQUIRE(client);
    auto summary = restore_guest(source, *client,
                                 {.limits = {.cancellation = &*cancellation, .deadline = {}}});
    REQUIRE_FALSE(summary);
    CHECK(summary.error().code == Errc::Interrupted);
  }
  check_never_ran(qemu);
}

TEST_CASE("bytes behind the stream are dropped with a warning", "[guest][restore]") {
  struct Watcher : RestoreObserver {
    std::string warning;
    void on_warning(const std::string& text) override { warning = text; }
  } watcher;
  auto padded = guest_saved_stopped().bytes;
  padded.resize(padded.size() + 4096);
  Qemu qemu({.incoming = true});
  REQUIRE(try_restore(qemu, padded, RunState::Running, &watcher));
  CHECK(contains(watcher.warning, "4096 bytes behind the end"));
  check_goes_on(qemu.serial(), guest_saved_stopped().tick);
}

TEST_CASE("a QEMU of our own takes the guest", "[guest][process]") {
  testing::TempDir folder;
  std::string serial = folder / "serial";
  auto qemu = run_saved_guest(serial, GENERATE(false, true));
  check_goes_on(serial, guest_saved_stopped().tick);
  REQUIRE(qemu.qmp().execute("quit"));
  auto status = qemu.wait();
  REQUIRE(status);
  CHECK(*status == 0);
}

TEST_CASE("a QEMU of our own goes with its object", "[guest][process]") {
  testing::TempDir folder;
  std::string serial = folder / "serial";
  {
    auto qemu = run_saved_guest(serial, GENERATE(false, true));
    REQUIRE(testing::wait_for_tick(serial, guest_saved_stopped().tick));
  }
  std::this_thread::sleep_for(100ms);
  size_t before = testing::read_ticks(serial).size();
  std::this_thread::sleep_for(200ms);
  CHECK(testing::read_ticks(serial).size() == before);
}

TEST_CASE("command lines that cannot take a guest", "[guest][process]") {
  auto own = QemuProcess::start({"qemu-system-x86_64", "--incoming", "tcp:0:4444"}, within(30s));
  REQUIRE_FALSE(own);
  CHECK(own.error().code == Errc::Usage);
  CHECK(contains(own.error().message, "-incoming"));
  CHECK(QemuProcess::start({}, within(30s)).error().code == Errc::Usage);
  auto unknown = QemuProcess::start({"qemu-system-x86_64", "-no-such-option"}, within(30s));
  REQUIRE_FALSE(unknown);
  CHECK(unknown.error().code == Errc::Environment);
  CHECK(contains(unknown.error().message, "exit status 1"));
  auto missing = QemuProcess::start({"/nonexistent/qemu"}, within(30s));
  REQUIRE_FALSE(missing);
  CHECK(contains(missing.error().message, "/nonexistent/qemu"));
}
