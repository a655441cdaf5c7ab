// SPDX-License-Identifier: MIT
#include "pipeline/call_apart.h"

#include <future>
#include <string>

#include "support/catch.h"

using namespace vmstream;
using namespace std::chrono_literals;

namespace {

// A call that lasts as long as the promise is not kept.
std::function<std::string()> lasting(std::shared_future<std::string> answer) {
  return [answer = std::move(answer)] { return answer.get(); };
}

}  // namespace

TEST_CASE("what is called apart gives its result", "[pipeline]") {
  auto given = call_apart<std::string>([] { return std::string("here"); }, {}, "a word");
  REQUIRE(given);
  CHECK(*given == "here");
}

TEST_CASE("a call that does not end is left behind", "[pipeline]") {
  std::promise<std::string> promise;
  auto call = lasting(promise.get_future().share());
  auto late = call_apart<std::string>(call, {.deadline = Clock::now() + 20ms}, "a word");
  REQUIRE_FALSE(late);
  CHECK(late.error().code == Errc::TimedOut);
  CHECK(late.error().message == "timed out while waiting for a word");

  auto cancellation = Cancellation::create();
  REQUIRE(cancellation);
  std::jthread later([&] { cancellation->request(); });
  auto unwanted = call_apart<std::string>(call, {.cancellation = &*cancellation}, "a word");
  REQUIRE_FALSE(unwanted);
  CHECK(unwanted.error().code == Errc::Interrupted);
  promise.set_value("too late");
}
