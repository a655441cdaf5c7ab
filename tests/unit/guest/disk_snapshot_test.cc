// SPDX-License-Identifier: MIT
// Snapshots of disks, by a monitor that lists drives as no real QEMU would.
#include "guest/disks/disk_snapshot.h"

#include <fmt/format.h>

#include <fstream>

#include "base/json.h"
#include "guest/capture/capture_listener.h"
#include "support/catch.h"
#include "support/temp_dir.h"
#include "unit/guest/answering.h"

using namespace vmstream;
using testing::Answering;
using testing::TempDir;

namespace {

constexpr const char* kTime = "2026-11-21T03:55:00Z";
constexpr const char* kTag = "0badcafe";
constexpr const char* kFile = "/dev/null";  // is there
constexpr const char* kNoMonitors = R"("return": [])";

std::string drive(const std::string& device, const std::string& file) {
  return fmt::format(
      R"({{"device": "{}", "qdev": "", "inserted": {{"node-name": "n", "file": "{}", "drv": "raw", )"
      R"("ro": false}}}})",
      device, file);
}

std::string drives(const std::string& list) {
  return "\"return\": [" + list + "]";
}

}  // namespace

TEST_CASE("an overlay stays in its folder whatever a device is called", "[guest][disks]") {
  TempDir folder;
  Answering qemu({drives(drive("../../etc/passwd", kFile) + "," + drive("..", kFile) + "," +
                         drive("", kFile) + "," + drive(std::string(300, 'x'), kFile)),
                  kNoMonitors,
                  R"("return": [{"node-name": "f", "file": "/dev/null", "drv": "file"}])"});
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
  CHECK(planned->disks()[2].argument ==
        "-blockdev driver=raw,node-name=n,file.driver=file,file.filename=/dev/null");
  CHECK(planned->disks()[0].device == "../../etc/passwd");
}

TEST_CASE("an overlay that exists is refused", "[guest][disks]") {
  TempDir folder;
  std::ofstream(folder / "a-20261121T035500Z-0badcafe-0.qcow2") << "somebody's";
  Answering qemu({drives(drive("a", kFile))});
  auto planned = DiskSnapshot::plan(qemu.qmp, folder.path(), kTime, kTag);
  REQUIRE_FALSE(planned);
  CHECK(planned.error().code == Errc::Refused);
  CHECK(planned.error().message.find("a-20261121T035500Z-0badcafe-0.qcow2 exists") !=
        std::string::npos);
}

TEST_CASE("drives are named and sorted out", "[guest][disks]") {
  TempDir folder;
  Answering qemu(
      {drives(
           R"({"device": "", "qdev": "/machine/peripheral/vd2/virtio-backend"},)"
           R"({"device": "", "qdev": "cd", "inserted": {"node-name": "n", "file": "/i", "ro": true}},)" +
           drive("nbd0", "nbd://host/x")),
       kNoMonitors});
  auto planned = DiskSnapshot::plan(qemu.qmp, folder.path(), kTime, kTag);
  REQUIRE(planned);
  CHECK(planned->left_out() == std::vector<LeftOutDisk>{{"vd2", "no medium"}, {"cd", "read-only"}});
  REQUIRE(planned->disks().size() == 1);
  CHECK(planned->disks()[0].base == "nbd://host/x");
}

namespace {

// Why a guest with such a disk is refused; `more` are members of its medium.
Error refusal(const std::string& file, const std::string& more = "") {
  TempDir folder;
  Json name = file;
  Answering qemu({drives(fmt::format(
      R"({{"device": "a", "inserted": {{"node-name": "n", "file": {}, "ro": false{}}}}})",
      name.dump(), more))});
  auto planned = DiskSnapshot::plan(qemu.qmp, folder.path(), kTime, kTag);
  REQUIRE_FALSE(planned);
  CHECK(planned.error().code == Errc::Unsupported);
  CHECK(planned.error().message.starts_with("disk 'a' "));
  CHECK_FALSE(planned.error().hint.empty());
  return planned.error();
}

}  // namespace

TEST_CASE("a disk by a relative name is not supported", "[guest][disks]") {
  for (const char* file : {"disk.raw", "./a:b.raw", R"(json:{"file": {"filename": "disk.raw"}})"}) {
    CHECK(refusal(file).message.find("another folder") != std::string::npos);
  }
}

TEST_CASE("an encrypted disk is refused wherever its cipher is", "[guest][disks]") {
  for (const char* more :
       {R"(, "encrypted": true)", R"(, "image": {"encrypted": true})",
        R"(, "image": {"backing-image": {"backing-image": {"encrypted": true}}})",
        R"(, "image": {"format-specific": {"data": {"encrypt": {"format": "luks"}}}})",
        R"(, "image": {"format-specific": {"data": {"encryption-format": "luks2"}}})"}) {
    CHECK(refusal(kFile, more).message.find("is encrypted") != std::string::npos);
  }
  for (const char* options :
       {R"({"driver": "luks", "file": {"filename": "/dev/null"}})",
        R"({"driver": "raw", "file": {"key-secret": "s", "file": {"filename": "/dev/null"}}})",
        R"({"driver": "qcow2", "backing": {"driver": "luks"}, "file": {"filename": "/dev/null"}})",
        R"({"encrypt.key-secret": "s", "file": {"filename": "/dev/null"}})"}) {
    CHECK(refusal(std::string("json:") + options).message.find("is encrypted") !=
          std::string::npos);
  }
  std::string deep = R"("x")";
  for (int i = 0; i < 110; ++i) deep = "[" + deep + "]";
  CHECK(refusal(kFile, R"(, "more": )" + deep).message.find("is encrypted") != std::string::npos);
}

TEST_CASE("a disk whose file is gone cannot be gone back to", "[guest][disks]") {
  for (const char* file :
       {"/nowhere/vl.x", R"(json:{"driver": "qcow2", "file": {"filename": "/nowhere/vl.x"}})",
        R"(json:{"driver": "raw", "file": {"file": {"filename": "/nowhere/vl.x"}}})",
        "/dev/fdset/7"}) {
    CHECK(refusal(file).message.find("does not exist") != std::string::npos);
  }
}

TEST_CASE("a guest of libvirt is left to it", "[guest][disks]") {
  TempDir folder;
  std::string node = drive("a", kFile);
  node.replace(node.find(R"("n")"), 3, R"("libvirt-1-format")");
  Answering by_node({drives(node)});
  Answering by_monitor(
      {drives(drive("a", kFile)), R"("return": [{"label": "x"}, {"label": "charmonitor"}])"});
  for (Answering* qemu : {&by_node, &by_monitor}) {
    auto planned = DiskSnapshot::plan(qemu->qmp, folder.path(), kTime, kTag);
    REQUIRE_FALSE(planned);
    CHECK(planned.error().code == Errc::Unsupported);
    CHECK(planned.error().hint.find("virsh") != std::string::npos);
  }
}

TEST_CASE("a transaction that fails leaves no overlay, and nothing to undo", "[guest][disks]") {
  TempDir folder;
  Answering qemu({drives(drive("a", kFile)), kNoMonitors,
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
  Answering qemu({drives(drive("a", kFile)), kNoMonitors, R"("return": {})"});
  auto planned = DiskSnapshot::plan(qemu.qmp, folder.path(), kTime, kTag);
  REQUIRE(planned);
  REQUIRE(planned->take(qemu.qmp));
  auto undone = planned->undo(nullptr);
  REQUIRE_FALSE(undone);
  CHECK(undone.error().message.find(planned->disks()[0].overlay) != std::string::npos);
}

TEST_CASE("disks have their moment when QEMU waits before the switchover", "[guest][disks]") {
  TempDir folder;
  Answering qemu({drives(drive("a", kFile)), kNoMonitors, R"("return": {})", R"("return": {})"});
  auto planned = DiskSnapshot::plan(qemu.qmp, folder.path(), kTime, kTag);
  REQUIRE(planned);
  SnapshotAtSwitchover moment(qemu.qmp, *planned);
  REQUIRE(moment.on_event({.name = "STOP", .data = "{}"}));
  REQUIRE(moment.on_event({.name = "MIGRATION", .data = R"({"status": "active"})"}));
  CHECK(qemu.commands.size() == 2);
  REQUIRE(moment.on_event({.name = "MIGRATION", .data = R"({"status": "pre-switchover"})"}));
  REQUIRE(qemu.commands.size() == 4);
  CHECK(qemu.commands[2].find("blockdev-snapshot-sync") != std::string::npos);
  CHECK(qemu.commands[3].find("migrate-continue") != std::string::npos);
}
