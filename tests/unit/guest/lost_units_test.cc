// SPDX-License-Identifier: MIT
#include "guest/lazy/lost_units.h"

#include "support/catch.h"

using namespace vmstream;

namespace {

std::vector<ServedBlock> two_blocks() {
  std::vector<ServedBlock> blocks(2);
  blocks[0] = {.name = "pc.ram", .pages = 8, .unit_pages = 2, .unit_bytes = 8192};
  blocks[1] = {.name = "rom", .pages = 3, .unit_pages = 2, .unit_bytes = 8192};
  return blocks;
}

Error fault_at(uint64_t file_offset) {
  return {.code = Errc::Malformed, .message = "checksum", .file_offset = file_offset};
}

}  // namespace

TEST_CASE("lost units count as long as nobody reads them", "[guest][lazy]") {
  auto blocks = two_blocks();
  DeliveryLedger ledger(blocks);
  ledger.want({1, 1, 1});
  LostUnits lost(blocks, ledger);
  CHECK(lost.empty());
  lost.add(1, 1, fault_at(0x10));
  lost.add(0, 2, fault_at(0x20));
  CHECK(lost.units() == 2);
  CHECK(lost.pages() == 3);  // the last unit of "rom" has one page
  CHECK(lost.wanted_bytes() == 8192);
  CHECK(lost.has(1, 1));
  CHECK_FALSE(lost.has(1, 0));
  CHECK(
      lost.first_fault().message ==
      "the page at 0x4000 of RAM block 'pc.ram' cannot be delivered: checksum (file offset 0x20)");
  lost.remove(0, 2);
  lost.remove(0, 3);
  CHECK(lost.first_fault().message.find("'rom'") != std::string::npos);
  lost.remove(1, 1);
  CHECK(lost.empty());
  CHECK(lost.pages() == 0);
  CHECK(lost.wanted_bytes() == 0);
}

TEST_CASE("of very many lost units a few have their own fault", "[guest][lazy]") {
  std::vector<ServedBlock> blocks(1);
  blocks[0] = {.name = "pc.ram", .pages = 1000, .unit_pages = 1, .unit_bytes = 4096};
  DeliveryLedger ledger(blocks);
  LostUnits lost(blocks, ledger);
  for (uint64_t unit = 0; unit < 1000; ++unit) lost.add(0, unit, fault_at(unit));
  for (uint64_t unit = 0; unit < 999; ++unit) lost.remove(0, unit);
  CHECK(lost.units() == 1);
  CHECK(lost.first_fault().code == Errc::Malformed);
  CHECK(lost.first_fault().message == "1 pages cannot be delivered");
}
