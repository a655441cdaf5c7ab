// SPDX-License-Identifier: MIT
// The trailer: written behind the blocks, found from the end, passed over by stock tools.
#include <vmstream/trailer.h>

#include "unit/codec/trailer_fixture.h"

using namespace vmstream;
using namespace testing;

namespace {

constexpr size_t kMiB = 1024 * 1024;

Result<std::optional<Trailer>> trailer_of(Coding coding, const Bytes& packed,
                                          std::unique_ptr<RandomSource>& file) {
  file = make_random_memory(packed);
  return read_trailer(coding, *file);
}

// What a reader of the trailer gets, or the code of its error.
struct Found {
  bool trailer = false;
  std::optional<Bytes> index;
  std::optional<Error> error;
};

Found find(Coding coding, const Bytes& packed) {
  Found found;
  auto file = make_random_memory(packed);
  auto trailer = read_trailer(coding, *file);
  if (!trailer) {
    found.error = trailer.error();
  } else if (*trailer) {
    found.trailer = true;
    if (!(*trailer)->index) return found;
    Bytes index((*trailer)->index->length());
    auto got = (*trailer)->index->read_at(0, index);
    if (got) found.index = index;
    if (!got) found.error = got.error();
  }
  return found;
}

std::vector<std::string> stock_readers(Coding coding) {
  if (coding == Coding::Zstd) return {"zstd -dc"};
  return {
      "gzip -dc", "zcat", "pigz -dc", "unpigz -c",
      "python3 -c 'import gzip, sys; sys.stdout.buffer.write(gzip.open(sys.stdin.buffer).read())'"};
}

}  // namespace

TEST_CASE("the index comes back, whatever its length", "[codec]") {
  Bytes plain = sample(2 * kMiB + 5);
  for (Coding coding : kIndexedCodings) {
    for (size_t length :
         {size_t{0}, size_t{1}, size_t{63 * 1024}, 63UL * 1024 + 1, kMiB, 3 * kMiB + 7}) {
      CAPTURE(traits_of(coding).name, length);
      Bytes index = sample(length, 5);
      Bytes packed = encode_indexed(coding, plain, index);
      Found found = find(coding, packed);
      REQUIRE(found.index);
      CHECK((*found.index == index));
      CHECK((decode(coding, packed).bytes == plain));
    }
  }
}

TEST_CASE("any stretch of the index is read by itself", "[codec]") {
  Bytes index = sample(200'000, 5);
  for (Coding coding : kIndexedCodings) {
    Bytes packed = encode_indexed(coding, sample(1000), index);
    std::unique_ptr<RandomSource> file;
    auto trailer = trailer_of(coding, packed, file);
    REQUIRE((trailer && *trailer));
    RandomSource& source = *(*trailer)->index;
    REQUIRE(source.length() == index.size());
    for (size_t at : {size_t{0}, size_t{63 * 1024 - 1}, size_t{63 * 1024}, size_t{199'999}}) {
      for (size_t count : {size_t{0}, size_t{1}, size_t{2}, size_t{130'000}}) {
        Bytes got(count);
        if (count > index.size() - at) {
          CHECK(source.read_at(at, got).error().code == Errc::Truncated);
          continue;
        }
        REQUIRE(source.read_at(at, got));
        CHECK(std::equal(got.begin(), got.end(), index.begin() + ptrdiff_t(at)));
      }
    }
  }
}

TEST_CASE("stock tools pass over the trailer", "[codec]") {
  for (size_t size : {size_t{0}, size_t{1}, 2 * kMiB + 5}) {
    Bytes plain = sample(size);
    for (Coding coding : kIndexedCodings) {
      Bytes packed = encode_indexed(coding, plain, sample(150'000, 7));
      for (const std::string& reader : stock_readers(coding)) {
        CAPTURE(reader, size);
        CHECK((run(reader, packed) == plain));
      }
    }
  }
}

TEST_CASE("the blocks that the index is made from are those of the file", "[codec]") {
  for (Coding coding : kIndexedCodings) {
    for (size_t size : {size_t{0}, size_t{1}, 3 * kMiB, 3 * kMiB + 1}) {
      CAPTURE(traits_of(coding).name, size);
      Bytes plain = sample(size);
      BlockTable told;
      Bytes packed = encode_indexed(coding, plain, sample(100, 2), &told);
      CHECK(told.size() == (size + kMiB - 1) / kMiB);
      CHECK(told.plain_length() == size);
      auto file = make_random_memory(packed);
      auto walked = find_blocks(coding, *file);
      REQUIRE((walked && *walked));
      CHECK(same_blocks(**walked, told));
      auto trailer = read_trailer(coding, *file);
      REQUIRE((trailer && *trailer));
      REQUIRE((*trailer)->blocks.has_value() == (coding == Coding::Zstd));
      if ((*trailer)->blocks) CHECK(same_blocks(*(*trailer)->blocks, told));
    }
  }
}

TEST_CASE("a trailer does not depend on threads", "[codec]") {
  Bytes plain = sample(3 * kMiB);
  for (Coding coding : kIndexedCodings) {
    Bytes one = encode_indexed(coding, plain, sample(1000, 2), nullptr, 1);
    CHECK(encode_indexed(coding, plain, sample(1000, 2), nullptr, 8) == one);
  }
}

TEST_CASE("files without a trailer have none", "[codec]") {
  for (const CodingTraits& traits : codings()) {
    for (size_t size : {size_t{0}, size_t{100'000}}) {
      Found found = find(traits.coding, encode(traits.coding, sample(size)));
      CHECK_FALSE(found.trailer);
      CHECK_FALSE(found.error);
    }
  }
  CHECK_FALSE(find(Coding::Zstd, {}).error);
  CHECK_FALSE(find(Coding::Gzip, {}).error);
  CHECK_FALSE(find(Coding::Gzip, run("gzip -c", sample(5000))).error);
}

TEST_CASE("an index that cannot be made fails the encoder", "[codec]") {
  Bytes packed;
  auto sink = make_memory_sink(packed);
  auto failing = [](const BlockTable&) -> Result<Bytes> {
    return Error{Errc::Environment, "no index today"};
  };
  for (Coding coding : kIndexedCodings) {
    auto encoder = std::move(*make_encoder(coding, *sink, {.index = failing}));
    auto finished = encoder->finish();
    REQUIRE_FALSE(finished);
    CHECK(finished.error().message == "no index today");
  }
  auto none = std::move(*make_encoder(Coding::Bzip2, *sink, {.index = failing}));
  CHECK(none->finish());
}
