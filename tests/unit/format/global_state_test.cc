// SPDX-License-Identifier: MIT
// In which run state a guest was saved.
#include "format/device/global_state.h"

#include <vector>

#include "support/catch.h"

using namespace vmstream;

namespace {

std::vector<std::byte> body_of(std::string_view text, bool suspended_known = false) {
  std::vector<std::byte> body(kGlobalStateBytes);
  for (size_t i = 0; i < text.size(); ++i) body[4 + i] = static_cast<std::byte>(text[i]);
  body[36] = std::byte{suspended_known};
  return body;
}

}  // namespace

TEST_CASE("globalstate tells the run state and its own layout", "[format]") {
  auto old = read_global_state(body_of("paused"));
  REQUIRE(old);
  CHECK(old->run_state == "paused");
  CHECK_FALSE(old->suspended_known);
  auto since_9 = read_global_state(body_of("running", true));
  REQUIRE(since_9);
  CHECK(since_9->run_state == "running");
  CHECK(since_9->suspended_known);
}

TEST_CASE("a guest that ran, or slept, starts after the load", "[format]") {
  for (const char* state : {"running", "suspended"}) {
    CHECK(read_global_state(body_of(state))->starts());
  }
  for (const char* state : {"", "paused", "prelaunch", "postmigrate", "running "}) {
    CHECK_FALSE(read_global_state(body_of(state))->starts());
  }
}

TEST_CASE("bodies that are no globalstate", "[format]") {
  auto body = body_of("paused");
  CHECK_FALSE(read_global_state(std::span(body).first(kGlobalStateBytes - 1)));
  CHECK_FALSE(read_global_state(body_of(std::string(32, 'a'))));  // no room for the NUL
}
