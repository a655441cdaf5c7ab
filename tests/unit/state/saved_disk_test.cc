// SPDX-License-Identifier: MIT
// The command that brings a guest back with its disks, and whether they are still what they were.
#include <vmstream/saved_disk.h>

#include <fcntl.h>
#include <sys/stat.h>

#include <fstream>

#include "support/catch.h"
#include "support/temp_dir.h"

using namespace vmstream;
using testing::TempDir;

namespace {

SavedDisk disk_by(const std::string& argument) {
  SavedDisk disk;
  disk.base = "/d/it's, a disk";
  disk.base_format = "raw";
  disk.argument = argument;
  return disk;
}

void set_time(const std::string& file, time_t seconds, long nanoseconds) {
  timespec times[2] = {{seconds, nanoseconds}, {seconds, nanoseconds}};
  REQUIRE(::utimensat(AT_FDCWD, file.c_str(), times, 0) == 0);
}

}  // namespace

TEST_CASE("the command to go back has each disk as the guest had it", "[state]") {
  CHECK(command_to_go_back({disk_by("-drive file=/d/it's,, a disk,format=raw,if=virtio,index=0"),
                            disk_by("-blockdev driver=raw,node-name=n")},
                           "guest.zst") ==
        "vmrestore 'guest.zst' -- qemu-system-x86_64 ... "
        R"(-drive 'file=/d/it'\''s,, a disk,format=raw,if=virtio,index=0' )"
        "-blockdev 'driver=raw,node-name=n'");
}

TEST_CASE("what is not known of a disk is left to be filled in", "[state]") {
  CHECK(is_known_how_to_go_back({}));
  CHECK(is_known_how_to_go_back({disk_by("-drive file=/a...b,format=raw,if=ide,index=1")}));
  for (const char* argument : {"", "-drive file=/a,format=raw,id=x,...",
                               "-blockdev driver=raw,node-name=...,file.driver=file",
                               "-blockdev driver=raw,node-name=n,..."}) {
    CHECK_FALSE(is_known_how_to_go_back({disk_by("-drive file=/a"), disk_by(argument)}));
  }
}

TEST_CASE("an index cannot put any argument into the command", "[state]") {
  for (const char* argument : {"", "; rm -rf / ;", "-drive", "-chardev pipe,id=x", "-drive\nx y"}) {
    CHECK(
        command_to_go_back({disk_by(argument)}, "g") ==
        R"(vmrestore 'g' -- qemu-system-x86_64 ... -drive 'file=/d/it'\''s,, a disk,format=raw,...')");
  }
}

TEST_CASE("the file below a medium is found in its options", "[state]") {
  CHECK(lowest_file("/d/a") == "/d/a");
  CHECK(lowest_file("nbd://host/x") == "nbd://host/x");
  CHECK(lowest_file(R"(json:{"file": {"driver": "file", "filename": "/d/a"}})") == "/d/a");
  CHECK(lowest_file(R"(json:{"file": {"file": {"filename": "/d/a"}}})") == "/d/a");
  CHECK(lowest_file(R"(json:{"driver": "nbd", "server": {}})").empty());
}

TEST_CASE("a base that was written to after the save has changed", "[state]") {
  TempDir folder;
  std::string file = folder / "base";
  std::ofstream(file) << "disk";
  set_time(file, 1795233300, 5);
  SavedDisk disk = disk_by("");
  disk.base = file;
  CHECK_FALSE(has_changed(disk));  // nobody knows
  disk.base_time = time_of_base(file);
  CHECK(disk.base_time == "2026-11-21T03:55:00.000000005Z");
  CHECK_FALSE(has_changed(disk));
  set_time(file, 1795233300, 6);
  CHECK(has_changed(disk));
  set_time(file, 1795233299, 5);  // another one in its place
  CHECK(has_changed(disk));
  disk.base = R"(json:{"driver": "raw", "file": {"filename": ")" + file + "\"}}";
  CHECK(has_changed(disk));
  for (const char* other : {"/nowhere/base", "/dev/null", "base", "nbd://host/x"}) {
    CHECK(time_of_base(other).empty());
    disk.base = other;
    CHECK_FALSE(has_changed(disk));
  }
}
