// SPDX-License-Identifier: MIT
#include "pipeline/ordered_pipeline.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <memory>
#include <set>

#include "pipeline/buffer.h"
#include "support/catch.h"

using namespace vmstream;

namespace {

using Pipeline = OrderedPipeline<int, int>;

void pause_for(int steps) {
  std::this_thread::sleep_for(std::chrono::microseconds(100) * steps);
}

Pipeline::Work doubled() {
  return [](int in) -> Result<int> {
    pause_for(in % 7);  // later items overtake earlier ones
    return 2 * in;
  };
}

// Pushes 0 to count - 1, popping when full, and collects what comes out.
std::vector<Result<int>> run_all(Pipeline& pipeline, int count) {
  std::vector<Result<int>> results;
  for (int i = 0; i < count; ++i) {
    if (pipeline.full()) results.push_back(pipeline.pop());
    pipeline.push(i);
  }
  while (!pipeline.empty()) results.push_back(pipeline.pop());
  return results;
}

}  // namespace

TEST_CASE("results come out in the order of the items", "[pipeline]") {
  for (unsigned threads : {1U, 2U, 8U}) {
    Pipeline pipeline(threads, doubled);
    auto results = run_all(pipeline, 200);
    REQUIRE(results.size() == 200);
    for (int i = 0; i < 200; ++i) CHECK(*results[static_cast<size_t>(i)] == 2 * i);
  }
}

TEST_CASE("no more than the depth is in hand", "[pipeline]") {
  for (unsigned threads : {1U, 2U, 5U}) {
    Pipeline pipeline(threads, doubled);
    size_t pushed = 0;
    while (!pipeline.full()) {
      pipeline.push(1);
      ++pushed;
    }
    CHECK(pushed == 2 * threads + 3);
  }
}

TEST_CASE("one thread means the owner's", "[pipeline]") {
  auto note_thread = [](std::set<std::thread::id>& seen, std::mutex& mutex) {
    return [&seen, &mutex](int in) -> Result<int> {
      std::lock_guard lock(mutex);
      seen.insert(std::this_thread::get_id());
      return in;
    };
  };
  std::mutex mutex;
  for (unsigned threads : {1U, 2U}) {
    std::set<std::thread::id> seen;
    Pipeline pipeline(threads, [&] { return note_thread(seen, mutex); });
    run_all(pipeline, 20);
    CHECK(seen.contains(std::this_thread::get_id()) == (threads == 1));
  }
}

TEST_CASE("each worker has a state of its own", "[pipeline]") {
  std::atomic<int> made = 0;
  Pipeline pipeline(4, [&made]() -> Pipeline::Work {
    ++made;
    auto uses = std::make_shared<int>(0);  // not atomic: shared use would be a race
    return [uses](int in) -> Result<int> {
      ++*uses;
      return in;
    };
  });
  run_all(pipeline, 100);
  CHECK(made == 4);
}

TEST_CASE("an error comes in its place and stays", "[pipeline]") {
  for (unsigned threads : {1U, 4U}) {
    Pipeline pipeline(threads, []() -> Pipeline::Work {
      return [](int in) -> Result<int> {
        pause_for(10 - in % 10);
        if (in == 5 || in == 6) return Error{Errc::Malformed, "item " + std::to_string(in)};
        return in;
      };
    });
    auto results = run_all(pipeline, 30);
    REQUIRE(results.size() == 30);
    for (size_t i = 0; i < 5; ++i) CHECK(results[i]);
    for (size_t i = 5; i < 30; ++i) {
      REQUIRE_FALSE(results[i]);
      CHECK(results[i].error().message == "item 5");
    }
  }
}

TEST_CASE("memory that runs out in a worker is an error", "[pipeline]") {
  for (unsigned threads : {1U, 2U}) {
    Pipeline pipeline(threads, []() -> Pipeline::Work {
      return [](int) -> Result<int> { throw std::bad_alloc(); };
    });
    pipeline.push(0);
    auto result = pipeline.pop();
    REQUIRE_FALSE(result);
    CHECK(result.error().message == "out of memory");
  }
}

TEST_CASE("a pipeline may be dropped with work in it", "[pipeline]") {
  std::atomic<int> begun = 0;
  {
    Pipeline pipeline(2, [&begun]() -> Pipeline::Work {
      return [&begun](int in) -> Result<int> {
        ++begun;
        pause_for(20);
        return in;
      };
    });
    while (!pipeline.full()) pipeline.push(0);
  }
  CHECK(begun < 7);
}

TEST_CASE("ready tells whether a pop would wait", "[pipeline]") {
  std::atomic<bool> go = false;
  Pipeline pipeline(2, [&go]() -> Pipeline::Work {
    return [&go](int in) -> Result<int> {
      while (in == 0 && !go) pause_for(1);
      return in;
    };
  });
  CHECK_FALSE(pipeline.ready());
  pipeline.push(0);
  pipeline.push(1);
  pause_for(20);
  CHECK_FALSE(pipeline.ready());  // the second is done, the first is not
  go = true;
  CHECK(*pipeline.pop() == 0);
  CHECK(*pipeline.pop() == 1);
}

TEST_CASE("threads are counted within limits", "[pipeline]") {
  CHECK(count_threads(0) >= 1);
  CHECK(count_threads(3) == 3);
  CHECK(count_threads(100000) == 256);
}

TEST_CASE("a buffer keeps its bytes when it grows", "[pipeline]") {
  auto bytes = std::as_bytes(std::span("abcdef", 6));
  Buffer buffer(4);
  CHECK(buffer.append(bytes) == 4);
  CHECK(buffer.room().empty());
  buffer.reserve(100);
  CHECK(buffer.capacity() == 100);
  CHECK(buffer.append(bytes) == 6);
  buffer.drop_front(3);
  CHECK(std::ranges::equal(buffer.view(), std::as_bytes(std::span("dabcdef", 7))));
  Buffer other = std::move(buffer);
  CHECK(other.size() == 7);
  other.clear();
  CHECK(other.empty());
  CHECK(other.room().size() == 100);
}
