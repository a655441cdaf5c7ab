// SPDX-License-Identifier: MIT
// A stream that is judged on its way.
#include <vmstream/verification.h>

#include "support/catch.h"
#include "support/read_all.h"
#include "support/stream_builder.h"

namespace vmstream {
namespace {

using Bytes = std::vector<std::byte>;

// Gives its bytes in pieces of a size.
class PieceSource final : public ByteSource {
 public:
  PieceSource(std::span<const std::byte> bytes, size_t piece) : bytes_(bytes), piece_(piece) {}
  Result<size_t> read(std::span<std::byte> into) override {
    size_t count = std::min({into.size(), bytes_.size(), piece_});
    std::copy_n(bytes_.begin(), count, into.begin());
    bytes_ = bytes_.subspan(count);
    return count;
  }

 private:
  std::span<const std::byte> bytes_;
  size_t piece_;
};

Result<Bytes> pass(std::span<const std::byte> bytes, size_t piece, size_t asked = 1 << 16) {
  VerifiedSource source(std::make_unique<PieceSource>(bytes, piece));
  return testing::read_all(source, asked);
}

// The same end without a description, which the sections' footers bound.
Bytes undescribed() {
  testing::StreamBuilder stream;
  stream.header().configuration("pc-q35-7.2").start(2, "ram", 4);
  stream.ram_blocks({{"pc.ram", 8192}}).eos().footer();
  stream.end(2)
      .page("pc.ram", 0, 1)
      .page("", 4096, 2)
      .eos()
      .footer()
      .device(3, "timer", "tick")
      .eof();
  return stream.bytes();
}

}  // namespace

TEST_CASE("a sound stream passes as it is", "[verified]") {
  for (const Bytes& bytes : {testing::small_stream().bytes(), undescribed()}) {
    for (size_t piece : {1u, 7u, 1000u, 1u << 20}) {
      auto passed = pass(bytes, piece, piece == 7 ? 3 : 1 << 16);
      REQUIRE(passed);
      CHECK(*passed == bytes);
    }
  }
}

TEST_CASE("what was found is known at the end", "[verified]") {
  auto bytes = testing::small_stream().bytes();
  VerifiedSource source(make_memory_source(bytes));
  CHECK_FALSE(source.found());
  REQUIRE(testing::read_all(source, 100));
  REQUIRE(source.found());
  CHECK(source.found()->ok());
  CHECK(source.found()->devices == 2);
  CHECK(source.found()->trailing_bytes == 0);
  CHECK(source.next()->empty());  // still
}

TEST_CASE("bytes behind the stream are left out", "[verified]") {
  for (const Bytes& stream : {testing::small_stream().bytes(), undescribed()}) {
    Bytes bytes = stream;
    bytes.resize(bytes.size() + 5000, std::byte{0x55});
    for (size_t piece : {1u, 1000u, 1u << 20}) {
      VerifiedSource source(std::make_unique<PieceSource>(bytes, piece));
      auto passed = testing::read_all(source, 1 << 16);
      REQUIRE(passed);
      CHECK(*passed == stream);
      CHECK(source.found()->trailing_bytes == 5000);
    }
  }
}

TEST_CASE("a cut stream does not end well, wherever it is cut", "[verified]") {
  auto bytes = testing::small_stream().bytes();
  for (size_t length = 0; length < bytes.size(); length += 1 + length / 64) {
    auto passed = pass(std::span(bytes).first(length), 512);
    REQUIRE_FALSE(passed);
    CHECK((passed.error().code == Errc::Truncated || passed.error().code == Errc::Malformed));
  }
}

TEST_CASE("a stream that does not agree with itself does not end well", "[verified]") {
  testing::StreamBuilder stream;
  stream.header().configuration("pc-q35-7.2").start(2, "ram", 4);
  stream.ram_blocks({{"pc.ram", 4096}}).eos().footer().end(2).page("pc.ram", 0, 1).eos().footer();
  stream.device(3, "timer", "tick").eof().vmdesc(testing::make_vmdesc({{"clock", 4}}));
  auto bytes = stream.bytes();
  VerifiedSource source(make_memory_source(bytes));
  auto passed = testing::read_all(source, 1 << 16);
  REQUIRE_FALSE(passed);
  CHECK(passed.error().code == Errc::Malformed);
  CHECK_FALSE(source.found());
  CHECK_FALSE(source.next());  // still
}

TEST_CASE("an error of the source comes out as it is", "[verified]") {
  class Failing final : public ByteSource {
   public:
    Result<size_t> read(std::span<std::byte>) override { return Error{Errc::Environment, "gone"}; }
  };
  VerifiedSource source(std::make_unique<Failing>());
  auto bytes = source.next();
  REQUIRE_FALSE(bytes);
  CHECK(bytes.error().message == "gone");
}

}  // namespace vmstream
