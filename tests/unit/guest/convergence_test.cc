// SPDX-License-Identifier: MIT
#include <vmstream/capture.h>

#include "support/catch.h"

namespace vmstream {
namespace {

CapturePass pass(uint64_t pages, uint64_t dirtied) {
  return {.pages = pages, .bytes = pages * 4104, .seconds = 1, .dirtied = dirtied, .left = dirtied};
}

TEST_CASE("few dirty pages end a save", "[guest]") {
  Convergence convergence{{}};
  CHECK_FALSE(convergence.after(pass(130000, 7000)));
  CHECK_FALSE(convergence.after(pass(7000, 51)));
  CHECK(convergence.after(pass(51, 50)) == EndedBy::DirtyPages);
}

TEST_CASE("passes that fall behind end a save, in a row or not", "[guest]") {
  Convergence convergence{{}};
  CHECK_FALSE(convergence.after(pass(10000, 10001)));
  CHECK_FALSE(convergence.after(pass(10001, 9000)));
  CHECK_FALSE(convergence.after(pass(9000, 9000)));  // keeping up is no stall
  CHECK(convergence.after(pass(9000, 9001)) == EndedBy::Stalls);
}

TEST_CASE("a pass that sent nothing is not counted", "[guest]") {
  Convergence convergence{{.stalls = 1, .passes = 2}};
  CHECK_FALSE(convergence.after(pass(0, 60)));
  CHECK_FALSE(convergence.after(pass(100, 60)));
  CHECK_FALSE(convergence.after(pass(0, 60)));
  CHECK(convergence.after(pass(100, 60)) == EndedBy::Passes);
  CHECK(convergence.after(pass(0, 50)) == EndedBy::DirtyPages);
}

TEST_CASE("the number of passes is limited", "[guest]") {
  Convergence convergence{{.dirty_pages = 0, .stalls = 9, .passes = 3}};
  CHECK_FALSE(convergence.after(pass(1000, 900)));
  CHECK_FALSE(convergence.after(pass(900, 800)));
  CHECK(convergence.after(pass(800, 700)) == EndedBy::Passes);
}

TEST_CASE("what a pass has not come to is left, not dirtied", "[guest]") {
  Convergence convergence{{.stalls = 1}};
  CHECK_FALSE(convergence.after({.pages = 100, .seconds = 1, .dirtied = 10, .left = 5000}));
  CHECK(convergence.after({.pages = 100, .seconds = 1, .dirtied = 101, .left = 51}) ==
        EndedBy::Stalls);
}

TEST_CASE("a save that has converged is not called stalled", "[guest]") {
  Convergence convergence{{.dirty_pages = 50, .stalls = 1, .passes = 1}};
  CHECK(convergence.after(pass(10, 50)) == EndedBy::DirtyPages);
}

TEST_CASE("rules are read from their text", "[guest]") {
  auto rules = ConvergenceRules::parse("passes=5,dirty-pages=0");
  REQUIRE(rules);
  CHECK(rules->passes == 5);
  CHECK(rules->dirty_pages == 0);
  CHECK(rules->stalls == ConvergenceRules{}.stalls);
  for (const char* wrong :
       {"", "passes", "passes=", "passes=0", "stalls=0", "passes=x", "passes=-1", "dirty=5",
        "passes=5,", "passes=99999999999", "passes=5 "}) {
    INFO(wrong);
    auto parsed = ConvergenceRules::parse(wrong);
    REQUIRE_FALSE(parsed);
    CHECK(parsed.error().code == Errc::Usage);
  }
}

TEST_CASE("a shortfall gives the rates and the pause that was missing", "[guest]") {
  auto shortfall =
      measure_shortfall({.pages = 1000, .bytes = 0, .seconds = 2, .dirtied = 3000, .left = 4000});
  REQUIRE(shortfall);
  CHECK(shortfall->sent_pages_per_second == 500);
  CHECK(shortfall->dirty_pages_per_second == 1500);
  CHECK(shortfall->pause_seconds == 8);
  CHECK_FALSE(measure_shortfall({.pages = 0, .bytes = 0, .seconds = 1, .dirtied = 5}));
  CHECK_FALSE(measure_shortfall({.pages = 5, .bytes = 0, .seconds = 0, .dirtied = 5}));
}

TEST_CASE("every end has a word of its own", "[guest]") {
  CHECK(name_of(EndedBy::DirtyPages) == "dirty-pages");
  CHECK(name_of(EndedBy::Background) == "background");
}

}  // namespace
}  // namespace vmstream
