// SPDX-License-Identifier: MIT
#include "guest/lazy/working_set.h"

#include "support/catch.h"

using namespace vmstream;

TEST_CASE("a working set is text and comes back", "[guest][lazy]") {
  WorkingSet set{{{"pc.ram", 0x5000, 0x3000}, {"a name with blanks", 0, 0x1000}}};
  auto text = set.to_text();
  CHECK(text == "vmstream working set 1\n0x5000 0x3000 pc.ram\n0x0 0x1000 a name with blanks\n");
  auto back = WorkingSet::parse(text);
  REQUIRE(back);
  CHECK(back->ranges == set.ranges);
  CHECK(WorkingSet::parse("vmstream working set 1\n")->ranges.empty());
}

TEST_CASE("text that is no working set is refused", "[guest][lazy]") {
  for (const char* text : {"", "vmstream working set 2\n", "vmstream working set 1\n0x5000\n",
                           "vmstream working set 1\n0x1 0x2 \n", "vmstream working set 1\n1 2 a\n",
                           "vmstream working set 1\n0xfffffffffffffffff 0x1 a\n"}) {
    CAPTURE(text);
    auto set = WorkingSet::parse(text);
    REQUIRE_FALSE(set);
    CHECK(set.error().code == Errc::Malformed);
  }
}

TEST_CASE("a working set is turned into whole units and back", "[guest][lazy]") {
  std::vector<ServedBlock> blocks{
      {.name = "pc.ram", .pages = 10, .unit_bytes = 0x1000},
      {.name = "huge", .pages = 9, .unit_pages = 4, .unit_bytes = 0x4000}};
  WorkingSet set{{{"pc.ram", 0x5000, 0x2000},
                  {"huge", 0x3000, 0x2000},      // the end of one, the begin of the next
                  {"huge", 0x8000, UINT64_MAX},  // up to the block's end
                  {"huge", 0xc000, 0x1000},      // behind it
                  {"pc.ram", 0x1000, 0},
                  {"vga", 0, 0x1000}}};
  auto units = units_of(set, blocks);
  CHECK(units == std::vector<UnitRange>{{0, 5, 2}, {1, 0, 2}, {1, 2, 1}});
  CHECK(working_set_of(units, blocks).ranges ==
        std::vector<WorkingSet::Range>{{"pc.ram", 0x5000, 0x2000}, {"huge", 0, 0xc000}});
}
