// SPDX-License-Identifier: MIT
#include <array>

#include <vmstream/stream_summary.h>
#include "analysis/summary/qemu_clues.h"
#include "support/catch.h"

using namespace vmstream;
using Clues = std::vector<std::string>;

TEST_CASE("a machine type's version is the number behind its last dash", "[analysis]") {
  CHECK(version_of_machine("pc-q35-7.2") == QemuVersion{7, 2});
  CHECK(version_of_machine("s390-ccw-virtio-10.0") == QemuVersion{10, 0});
  CHECK(version_of_machine("pc-0.12") == QemuVersion{0, 12});
  for (auto name : {"", "virt", "pc-i440fx-rhel7.6.0", "pc-i440fx-xenial", "pc-1", "pc-7.", "pc-.2",
                    "pc-7.2.1", "pc--7.2x", "pc-99999999999.2"}) {
    CHECK_FALSE(version_of_machine(name));
  }
}

TEST_CASE("a range is narrowed by the strongest clue at each end", "[analysis]") {
  QemuVersionRange range;
  CHECK(range.because().empty());
  range.at_least({2, 4}, "footers");
  range.at_least({2, 10}, "ten is more than four");
  range.at_least({2, 5}, "command");
  range.at_most({9, 0}, "block");
  range.at_most({8, 1}, "vmdesc");
  range.at_most({11, 0}, "nullptr");
  CHECK(range.lowest() == QemuVersion{2, 10});
  CHECK(range.highest() == QemuVersion{8, 1});
  CHECK(range.because() == Clues{"ten is more than four", "vmdesc"});
}

TEST_CASE("records that came or went with a release bound the range", "[analysis]") {
  QemuVersionRange range;
  SECTION("an old stream") {
    add_header_clues({.version = 3}, range);
    add_section_clues({.idstr = "ram", .version_id = 3}, range);
    CHECK(range.lowest() == QemuVersion{0, 10});
    CHECK(range.highest() == QemuVersion{0, 12});
    CHECK(range.because() == Clues{"stream version 3 since 0.10", "ram version 3 until 0.12"});
  }
  SECTION("streams of other versions") {
    add_header_clues({.version = 2}, range);
    CHECK(range.lowest() == QemuVersion{0, 9});
    add_header_clues({.version = 1}, range);
    CHECK(range.highest() == QemuVersion{0, 8});
  }
  SECTION("pages in the start of ram") {
    add_page_clues({.type = SectionType::Start, .idstr = "ram"}, {.kind = PageKind::Data}, range);
    CHECK(range.highest() == QemuVersion{1, 1});
  }
  SECTION("the pages of a mapped-ram file stand in the start of ram as well") {
    RamBlock block{.name = "pc.ram", .mapped = MappedRam{}};
    Page page{.block = &block, .kind = PageKind::Data};
    add_page_clues({.type = SectionType::Start, .idstr = "ram"}, page, range);
    CHECK_FALSE(range.highest());
  }
  SECTION("page kinds") {
    add_page_clues({.type = SectionType::Part, .idstr = "ram"}, {.kind = PageKind::Data}, range);
    CHECK_FALSE(range.highest());
    add_page_clues({.type = SectionType::Part, .idstr = "ram"}, {.kind = PageKind::Compressed},
                   range);
    CHECK(range.highest() == QemuVersion{9, 0});
    CHECK(range.lowest() == QemuVersion{2, 4});
    add_page_clues({.type = SectionType::Part, .idstr = "ram"}, {.kind = PageKind::Fill}, range);
    CHECK(range.highest() == QemuVersion{1, 4});
  }
  SECTION("marks and commands") {
    add_ram_mark_clues(RamMark::EndOfSlice, range);
    CHECK_FALSE(range.lowest());
    add_command_clues(CommandType::Ping, range);
    CHECK(range.lowest() == QemuVersion{2, 5});
    add_ram_mark_clues(RamMark::MultifdFlush, range);
    CHECK(range.lowest() == QemuVersion{8, 1});
    add_command_clues(CommandType::SwitchoverStart, range);
    CHECK(range.lowest() == QemuVersion{10, 0});
  }
  SECTION("the configuration") {
    Configuration configuration{.machine = "pc-i440fx-2.4"};
    add_configuration_clues(configuration, range);
    CHECK(range.lowest() == QemuVersion{2, 4});
    configuration.capabilities = {"mapped-ram"};
    add_configuration_clues(configuration, range);
    CHECK(range.lowest() == QemuVersion{9, 0});
  }
}

TEST_CASE("the layout of globalstate tells the release", "[analysis]") {
  QemuVersionRange range;
  SECTION("since 9.0") {
    add_global_state_clues({"running", true}, range);
    CHECK(range.lowest() == QemuVersion{9, 0});
  }
  SECTION("before 9.0") {
    add_global_state_clues({"running", false}, range);
    CHECK(range.highest() == QemuVersion{8, 2});
  }
}
