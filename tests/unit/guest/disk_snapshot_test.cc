// SPDX-License-Identifier: MIT
// Snapshots of disks, by a monitor that lists drives as no real QEMU would.
#include "guest/disks/disk_snapshot.h"

#include <fmt/format.h>

#include <fstream>

#include "guest/capture/disk_moment.h"
#include "support/catch.h"
#include "support/temp_dir.h"
#include "unit/guest/scripted_monitor.h"

using namespace vmstream;
using namespace std::chrono_literals;
using testing::ScriptedMonitor;
using testing::TempDir;

namespace {

constexpr const char* kTime = "2026-11-21T03:55:00Z";
constexpr const char* kTag = "0badcafe";

std::string drive(const std::string& device, const std::string& file) {
  return fmt::format(
      R"({{"device": "{}", "qdev": "", "inserted": {{"node-name": "n", "file": "{}", "drv": "raw", )"
      R"("ro": false}}}})",
      device, file);
}

QmpClient adopt(int socket) {
  auto client = QmpClient::adopt(socket, {.deadline = Clock::now() + 20s});
  REQUIRE(client);
  return std::move(*client);
}

// Answers each command with the next of these, under its id.
class Answering {
 public:
  explicit Answering(std::vector<std::string> answers)
      : monitor_([this, answers = std::move(answers)](ScriptedMonitor& m) {
          m.greet();
          for (size_t i = 0; i < answers.size(); ++i) {
            commands.push_back(m.hear());
            m.say(fmt::format("{{{}, \"id\": {}}}\r\n", answers[i], i + 2));
          }
          m.hear();
        }),
        qmp(adopt(monitor_.client_end())) {}

  std::vector<std::string> commands;

 private:
  ScriptedMonitor monitor_;

 public:
  QmpClient qmp;
};

std::string drives(const std::string& list) {
  return "\"return\": [" + list + "]";
}

}  // namespace

TEST_CASE("an overlay stays in its folder whatever a device is called", "[guest][disks]") {
  TempDir folder;
  Answering qemu({drives(drive("../../etc/passwd", "/d/a") + "," + drive("..", "/d/b") + "," +
                         drive("", "/d/c") + "," + drive(std::string(300, 'x'), "/d/d"))});
  auto planned = DiskSnapshot::plan(qemu.qmp, folder.path(), kTime, kTag);
  REQUIRE(planned);
  REQUIRE(planned->disks().size() == 4);
  std::string prefix = std::filesystem::canonical(folder.path()).string() + "/";
  CHECK(planned->disks()[0].overlay ==
        prefix + "______etc_passwd-20261121T035500Z-0badcafe-0.qcow2");
  CHECK(planned->disks()[1].overlay == prefix + "__-20261121T035500Z-0badcafe-1.qcow2");
  CHECK(planned->disks()[2].overlay == prefix + "n-20261121T035500Z-0badcafe-2.qcow2");
  CHECK(planned->disks()[3].overlay.size() < prefix.size() + 110);
  for (const SavedDisk& disk : planned->disks()) CHECK(disk.overlay_node.size() < 32);
  CHECK(planned->disks()[0].device == "../../etc/passwd");
}

TEST_CASE("an overlay that exists is refused", "[guest][disks]") {
  TempDir folder;
  std::ofstream(folder / "a-20261121T035500Z-0badcafe-0.qcow2") << "somebody's";
  Answering qemu({drives(drive("a", "/d/a"))});
  auto planned = DiskSnapshot::plan(qemu.qmp, folder.path(), kTime, kTag);
  REQUIRE_FALSE(planned);
  CHECK(planned.error().code == Errc::Refused);
  CHECK(planned.error().message.find("a-20261121T035500Z-0badcafe-0.qcow2 exists") !=
        std::string::npos);
}

TEST_CASE("drives are named and sorted out", "[guest][disks]") {
  TempDir folder;
  Answering qemu({drives(
      R"({"device": "", "qdev": "/machine/peripheral/vd2/virtio-backend"},)"
      R"({"device": "", "qdev": "cd", "inserted": {"node-name": "n", "file": "/i", "ro": true}},)" +
      drive("nbd0", "nbd://host/x"))});
  auto planned = DiskSnapshot::plan(qemu.qmp, folder.path(), kTime, kTag);
  REQUIRE(planned);
  CHECK(planned->left_out() == std::vector<LeftOutDisk>{{"vd2", "no medium"}, {"cd", "read-only"}});
  REQUIRE(planned->disks().size() == 1);
  CHECK(planned->disks()[0].base == "nbd://host/x");
}

TEST_CASE("a disk by a relative name is not supported", "[guest][disks]") {
  TempDir folder;
  Answering qemu({drives(drive("a", "disk.raw"))});
  auto planned = DiskSnapshot::plan(qemu.qmp, folder.path(), kTime, kTag);
  REQUIRE_FALSE(planned);
  CHECK(planned.error().code == Errc::Unsupported);
  CHECK(planned.error().message.find("'disk.raw'") != std::string::npos);
}

TEST_CASE("a transaction that fails leaves no overlay, and nothing to undo", "[guest][disks]") {
  TempDir folder;
  Answering qemu({drives(drive("a", "/d/a")),
                  R"("error": {"class": "GenericError", "desc": "busy"})", drives("")});
  auto planned = DiskSnapshot::plan(qemu.qmp, folder.path(), kTime, kTag);
  REQUIRE(planned);
  // As QEMU leaves it behind.
  std::ofstream(planned->disks()[0].overlay) << "QFI";
  auto taken = planned->take(qemu.qmp);
  REQUIRE_FALSE(taken);
  CHECK(taken.error().message == "no snapshot of the disks was taken: transaction: busy");
  CHECK_FALSE(std::filesystem::exists(planned->disks()[0].overlay));
  CHECK(planned->undo(nullptr));
}

TEST_CASE("without a monitor the overlays stay and are named", "[guest][disks]") {
  TempDir folder;
  Answering qemu({drives(drive("a", "/d/a")), R"("return": {})"});
  auto planned = DiskSnapshot::plan(qemu.qmp, folder.path(), kTime, kTag);
  REQUIRE(planned);
  REQUIRE(planned->take(qemu.qmp));
  auto undone = planned->undo(nullptr);
  REQUIRE_FALSE(undone);
  CHECK(undone.error().message.find(planned->disks()[0].overlay) != std::string::npos);
}

TEST_CASE("disks have their moment when QEMU waits before the switchover", "[guest][disks]") {
  TempDir folder;
  Answering qemu({drives(drive("a", "/d/a")), R"("return": {})", R"("return": {})"});
  auto planned = DiskSnapshot::plan(qemu.qmp, folder.path(), kTime, kTag);
  REQUIRE(planned);
  SnapshotAtSwitchover moment(qemu.qmp, *planned);
  REQUIRE(moment.on_event({.name = "STOP", .data = "{}"}));
  REQUIRE(moment.on_event({.name = "MIGRATION", .data = R"({"status": "active"})"}));
  CHECK(qemu.commands.size() == 1);
  REQUIRE(moment.on_event({.name = "MIGRATION", .data = R"({"status": "pre-switchover"})"}));
  REQUIRE(qemu.commands.size() == 3);
  CHECK(qemu.commands[1].find("blockdev-snapshot-sync") != std::string::npos);
  CHECK(qemu.commands[2].find("migrate-continue") != std::string::npos);
}

TEST_CASE("the command to go back names the disks as QEMU's options do", "[guest][disks]") {
  SavedDisk disk;
  disk.base = "/d/it's, a disk";
  disk.base_format = "raw";
  CHECK(
      command_to_go_back({disk}, "guest.zst") ==
      R"(vmrestore 'guest.zst' -- qemu-system-x86_64 ... -drive 'file=/d/it'\''s,, a disk,format=raw')");
}
