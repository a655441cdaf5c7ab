// SPDX-License-Identifier: MIT
#include "pipeline/digesting_sink.h"

#include <algorithm>
#include <array>
#include <string_view>
#include <vector>

#include "support/catch.h"

using namespace vmstream;

namespace {

// SHA-256 of "abc".
constexpr const char* kOfAbc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

// Lends memory of its own.
class Lender final : public ByteSink {
 public:
  Status write(std::span<const std::byte> bytes) override {
    taken.insert(taken.end(), bytes.begin(), bytes.end());
    return ok();
  }
  Status finish() override { return ok(); }
  std::span<std::byte> lend() override { return room_; }
  Status commit(size_t count) override { return write(std::span(room_).first(count)); }

  std::vector<std::byte> taken;

 private:
  std::array<std::byte, 16> room_{};
};

auto bytes_of(std::string_view text) {
  return std::as_bytes(std::span(text));
}

}  // namespace

TEST_CASE("the digest is of all that was written or lent, on any thread", "[pipeline]") {
  for (size_t threads : {size_t{0}, size_t{1}, size_t{8}}) {
    Lender next;
    DigestingSink sink(next, threads);
    REQUIRE(sink.write(bytes_of("a")));
    auto lent = sink.lend();
    std::ranges::copy(bytes_of("bcde"), lent.begin());
    REQUIRE(sink.commit(2));
    CHECK(sink.sha256().empty());
    REQUIRE(sink.finish());
    CHECK(sink.sha256() == kOfAbc);
    CHECK(std::ranges::equal(next.taken, bytes_of("abc")));
  }
}
