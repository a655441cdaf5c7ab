// SPDX-License-Identifier: MIT
#include "guest/guest_states.h"

#include <fstream>
#include <thread>

#include "support/catch.h"

namespace testing {
namespace {

using namespace std::chrono_literals;

std::vector<std::byte> read_bytes(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  std::string text{std::istreambuf_iterator<char>(in), {}};
  auto bytes = std::as_bytes(std::span(text));
  return {bytes.begin(), bytes.end()};
}

SavedGuest save_stopped() {
  Qemu qemu;
  SavedGuest saved;
  qemu.await_ticks(40);
  auto capture = vmstream::GuestCapture::open(
      qemu.monitor(), {.after = vmstream::After::Pause, .limits = within(30s)});
  REQUIRE(capture);
  auto sink = vmstream::make_memory_sink(saved.bytes);
  REQUIRE(capture->capture(*sink));
  REQUIRE(capture->complete());
  saved.tick = qemu.last_tick().number;
  return saved;
}

SavedGuest save_running() {
  Qemu qemu;
  TempDir folder;
  SavedGuest saved;
  qemu.await_ticks(40);
  std::string file = folder / "stream";
  qemu.ask("migrate", R"({"uri": "exec:cat > )" + file + "\"}");
  while (!contains(qemu.ask("query-migrate"), "\"completed\"")) std::this_thread::sleep_for(20ms);
  saved.tick = qemu.last_tick().number;
  std::this_thread::sleep_for(100ms);  // cat's last write
  saved.bytes = read_bytes(file);
  return saved;
}

}  // namespace

const SavedGuest& guest_saved_stopped() {
  static const SavedGuest saved = save_stopped();
  return saved;
}

const SavedGuest& guest_saved_running() {
  static const SavedGuest saved = save_running();
  return saved;
}

}  // namespace testing
