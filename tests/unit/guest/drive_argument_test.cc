// SPDX-License-Identifier: MIT
// How a QEMU is to be given a disk, by what is known of the one that had it.
#include "guest/disks/drive_argument.h"

#include <unistd.h>

#include "support/catch.h"
#include "unit/guest/scripted_monitor.h"

using namespace vmstream;

namespace {

const std::string kAnonymous = "/machine/peripheral-anon/device[0]";
const std::string kBoard = "/machine/unattached/device[4]";

GuestDrive named(const std::string& name, const std::string& qdev) {
  GuestDrive drive;
  drive.name = name;
  drive.qdev = qdev;
  return drive;
}

std::string place(const std::string& name, const std::string& qdev,
                  const CommandLine& line = std::nullopt) {
  return drive_place(named(name, qdev), line);
}

CommandLine line_with(const std::string& drive) {
  return std::vector<std::string>{"qemu", "-drive", "file=/other,id=y", "-drive", drive, "-S"};
}

Json graph(const std::string& nodes, const std::string& edges) {
  return *parse_object(R"({"nodes": [)" + nodes + R"(], "edges": [)" + edges + "]}");
}

}  // namespace

TEST_CASE("QEMU's own names of drives tell where they are", "[guest][disks]") {
  std::string virtio = kAnonymous + "/virtio-backend";
  CHECK(place("virtio3", virtio) == "if=virtio,index=3");
  CHECK(place("ide1-hd0", kBoard) == "if=ide,bus=1,unit=0");
  CHECK(place("ide1-cd0", kBoard) == "if=ide,bus=1,unit=0,media=cdrom");
  CHECK(place("scsi0-hd12", kBoard) == "if=scsi,bus=0,unit=12");
  CHECK(place("floppy1", kBoard) == "if=floppy,index=1");
  CHECK(place("pflash1", "/machine/system.flash1") == "if=pflash,index=1");
  CHECK(place("sd0", kBoard) == "if=sd,index=0");
  CHECK(place("mtd0", kBoard) == "if=mtd,index=0");
  CHECK(place("none0", "") == "if=none,index=0");
}

TEST_CASE("a drive that a device names has no interface", "[guest][disks]") {
  CHECK(place("virtio0", "/machine/peripheral/vd/virtio-backend") == "if=none,id=virtio0");
  CHECK(place("x", kAnonymous) == "if=none,id=x");
  CHECK(place("ide0-hd0", kAnonymous) == "if=none,id=ide0-hd0");
  CHECK(place("x", "") == "if=none,id=x");
}

TEST_CASE("where a name tells nothing, nothing is guessed", "[guest][disks]") {
  for (const char* name : {"x", "virtio", "virtio0x", "idea-hd0", "ide0-hd", "sda1", "a,b"}) {
    CHECK(place(name, kBoard).ends_with(",..."));
  }
  CHECK(place("x", kAnonymous + "/virtio-backend") == "id=x,...");
  CHECK(place("a,b", kBoard) == "id=a,,b,...");
}

TEST_CASE("the command line tells how a drive with an id was given", "[guest][disks]") {
  CHECK(place("x", kBoard, line_with("file=/a,format=raw,if=ide,index=2,id=x")) ==
        "if=ide,index=2,id=x");
  CHECK(place("x", kBoard, line_with("id=x,file=/a,,id=z,bus=1,unit=0,cache=none,aio=native")) ==
        "id=x,bus=1,unit=0,cache=none,aio=native");
  // Nothing of what it is on, nor of secrets.
  CHECK(place("x", kBoard,
              line_with("if=none,id=x,file.password=p,file.driver=https,serial=s,snapshot=off")) ==
        "if=none,id=x");
  // Limits and modes of the cache, under every name that they have.
  for (const char* use : {"throttling.bps-total=1", "bps=1000", "iops_rd_max=5", "group=g",
                          "cache.direct=on", "copy-on-read=on"}) {
    std::string wanted = std::string("if=none,id=x,") + use;
    CHECK(place("x", kBoard, line_with("file=/a," + wanted)) == wanted);
  }
  CHECK(place("x", kBoard, line_with("if=ide,id=xy")) == "id=x,...");
  CHECK(place("y", kBoard, line_with("if=ide,id=xy")) == "id=y");
  for (const char* more : {"-readconfig", "--set"}) {
    auto line = line_with("if=ide,id=x");
    line->push_back(more);
    CHECK(place("x", kBoard, line) == "id=x,...");
  }
}

TEST_CASE("the file of a drive without an id tells how it is used", "[guest][disks]") {
  GuestDrive drive = named("virtio0", kAnonymous + "/virtio-backend");
  drive.file = "/a,b";
  CHECK(drive_place(drive, line_with("file=/a,,b,if=virtio,cache=none,bps=9,format=raw")) ==
        "if=virtio,index=0,cache=none,bps=9");
  CHECK(drive_place(drive, line_with("file=/a,,b,if=virtio,format=raw")) == "if=virtio,index=0");
  // It is on an overlay by now, or on a file by another name.
  CHECK(drive_place(drive, line_with("file=/c,if=virtio,cache=none")) == "if=virtio,index=0,...");
  CHECK(drive_place(drive, line_with("file=/c,if=virtio")) == "if=virtio,index=0");
  CHECK(drive_place(drive, line_with("file=/c,id=c,cache=none")) == "if=virtio,index=0");
  CHECK(drive_place(drive, std::nullopt) == "if=virtio,index=0");
}

TEST_CASE("the node of a device is found below those of saves", "[guest][disks]") {
  auto two = graph(R"({"name": "vmstream-b-0", "id": 1}, {"name": "vmstream-a-0", "id": 2},
                      {"name": "disk", "id": 3}, {"name": "#block1", "id": 4})",
                   R"({"name": "file", "parent": 1, "child": 4},
                      {"name": "backing", "parent": 1, "child": 2},
                      {"name": "backing", "parent": 2, "child": 3})");
  CHECK(original_node("vmstream-b-0", two) == "disk");
  CHECK(original_node("disk", two) == "disk");
  CHECK(original_node("vmstream-gone", two) == "...");
  CHECK(original_node("vmstream-a-0", Json()) == "...");
  auto ring = graph(R"({"name": "vmstream-a", "id": 1})",
                    R"({"name": "backing", "parent": 1, "child": 1})");
  CHECK(original_node("vmstream-a", ring) == "...");
  auto anonymous = graph(R"({"name": "vmstream-a", "id": 1}, {"name": "#block1", "id": 2})",
                         R"({"name": "backing", "parent": 1, "child": 2})");
  CHECK(original_node("vmstream-a", anonymous) == "...");
  auto cut = graph(R"({"name": "vmstream-a", "id": 1})",
                   R"({"name": "backing", "parent": 1, "child": 2})");
  CHECK(original_node("vmstream-a", cut) == "...");
}

TEST_CASE("the process behind a socket has a command line", "[guest][disks]") {
  int ends[2];
  REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0);
  auto line = read_command_line(ends[0]);
  REQUIRE(line);
  CHECK(line->front().find("guest_test") != std::string::npos);
  CHECK_FALSE(read_command_line(STDIN_FILENO));
  ::close(ends[0]);
  ::close(ends[1]);
}
