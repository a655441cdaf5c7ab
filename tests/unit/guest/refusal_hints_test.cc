// SPDX-License-Identifier: MIT
// What is said to a person whose guest QEMU does not send.
#include "guest/capture/refusal_hints.h"

#include "support/catch.h"
#include "unit/guest/answering.h"

using namespace vmstream;
using testing::Answering;

namespace {

constexpr const char* kBuses =
    R"("return": [{"bus": 0, "devices": [{"bus": 0, "slot": 4, "function": 0, "qdev_id": ""},)"
    R"({"bus": 0, "slot": 5, "function": 1, "qdev_id": "fast"}]}])";

bool says(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

}  // namespace

TEST_CASE("a device in the way is named as device_del takes it", "[guest][capture]") {
  for (const char* refusal : {"State blocked by non-migratable device '0000:00:05.1/nvme'",
                              "non-migratable device: 0000:00:05.1/nvme"}) {
    Answering qemu({kBuses});
    CHECK(says(hint_for_refusal(qemu.qmp, refusal), "device_del fast in"));
  }
}

TEST_CASE("a device without a name is left to the reader to find", "[guest][capture]") {
  Answering qemu({kBuses});
  auto hint =
      hint_for_refusal(qemu.qmp, "State blocked by non-migratable device '0000:00:04.0/nvme'");
  CHECK(says(hint, "device_del ID in"));
  CHECK(says(hint, "info qtree"));
}

TEST_CASE("what no device_del removes has a hint of its own", "[guest][capture]") {
  Answering qemu(std::vector<std::string>{});
  CHECK(says(hint_for_refusal(qemu.qmp,
                              "Migration is disabled when VirtFS export path '/x' is "
                              "mounted in the guest using mount_tag 'y'"),
             "umount"));
  CHECK(says(hint_for_refusal(qemu.qmp, "State blocked by non-migratable CPU device (invtsc flag)"),
             "invtsc=off"));
  CHECK(hint_for_refusal(qemu.qmp, "something else").empty());
  CHECK(qemu.commands.empty());
}
