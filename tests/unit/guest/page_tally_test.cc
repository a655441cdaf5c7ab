// SPDX-License-Identifier: MIT
#include "guest/capture/capture_recorder.h"

#include "support/catch.h"

namespace vmstream {
namespace {

PageTally tally_of(std::initializer_list<PageKind> kinds) {
  PageTally tally;
  for (PageKind kind : kinds) REQUIRE(tally.on_page({.kind = kind}));
  return tally;
}

RamProgress sent(const char* rest, const char* ram = R"("normal": 2, "duplicate": 3)") {
  auto status = read_migration_status(std::string(R"({"status": "completed", "ram": {)") + ram +
                                      "}" + rest + "}");
  REQUIRE(status);
  return *status->ram;
}

constexpr auto kSent = {PageKind::Data,   PageKind::Data, PageKind::Zero,      PageKind::Zero,
                        PageKind::Xbzrle, PageKind::Fill, PageKind::Compressed};

TEST_CASE("a stream has the pages that QEMU counts", "[guest]") {
  CHECK(tally_of(kSent).compare(sent("")));
  auto other = tally_of({PageKind::Data, PageKind::Zero}).compare(sent(""));
  REQUIRE_FALSE(other);
  CHECK(other.error().code == Errc::Environment);
  CHECK(other.error().message ==
        "this is not the stream that QEMU has sent: it has 1 normal and 1 duplicate pages, QEMU "
        "counts 2 and 3");
  CHECK_FALSE(tally_of({}).compare(sent("")));
}

TEST_CASE("of a compressed stream QEMU counts the normal pages right", "[guest]") {
  auto compressed = sent(R"(, "compression": {"pages": 7})");
  CHECK(tally_of({PageKind::Data, PageKind::Data, PageKind::Zero}).compare(compressed));
  CHECK_FALSE(tally_of({PageKind::Data}).compare(compressed));
}

TEST_CASE("what QEMU does not count is not compared", "[guest]") {
  CHECK(tally_of(kSent).compare(sent("", R"("total": 5)")));
}

}  // namespace
}  // namespace vmstream
