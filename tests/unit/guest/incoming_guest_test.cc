// SPDX-License-Identifier: MIT
// What is asked of a QEMU whose load did not end as it should.
#include "guest/restore/incoming_guest.h"

#include "support/catch.h"
#include "unit/guest/answering.h"

using namespace vmstream;
using testing::Answering;

TEST_CASE("a guest that was loaded without its end is stopped", "[guest][restore]") {
  Answering qemu({R"("return": {"status": "completed"})", R"("return": {})"});
  auto deceived = stop_unproved_guest(qemu.qmp, {});
  REQUIRE(deceived);
  CHECK(deceived->code == Errc::Malformed);
  CHECK(deceived->message.find("the guest was stopped") != std::string::npos);
  REQUIRE(qemu.commands.size() == 2);
  CHECK(qemu.commands[1].find("\"stop\"") != std::string::npos);
}

TEST_CASE("that such a guest could not be stopped is said", "[guest][restore]") {
  Answering qemu({R"("return": {"status": "completed"})",
                  R"("error": {"class": "GenericError", "desc": "no"})"});
  auto deceived = stop_unproved_guest(qemu.qmp, {});
  REQUIRE(deceived);
  CHECK(deceived->message.find("COULD NOT BE STOPPED") != std::string::npos);
}

TEST_CASE("a load that goes on or has failed is no guest to stop", "[guest][restore]") {
  for (const char* status : {"active", "failed", "none"}) {
    Answering qemu({std::string(R"("return": {"status": ")") + status + "\"}"});
    CHECK_FALSE(stop_unproved_guest(qemu.qmp, {}));
    CHECK(qemu.commands.size() == 1);
  }
}

TEST_CASE("a load that QEMU has not begun yet is waited for", "[guest][restore]") {
  Answering qemu({R"("return": {})", R"("return": {"status": "active"})",
                  R"("return": {"status": "completed"})"});
  CHECK(await_loaded(qemu.qmp, {}));
  CHECK(qemu.commands.size() == 3);
}
