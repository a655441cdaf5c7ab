// SPDX-License-Identifier: MIT
// Plain bytes by position, from files good and bad.
#include <vmstream/random_decoder.h>

#include "unit/codec/trailer_fixture.h"

using namespace vmstream;
using namespace testing;

namespace {

constexpr size_t kMiB = 1024 * 1024;

BlockTable blocks_of(Coding coding, const Bytes& packed) {
  auto file = make_random_memory(packed);
  auto blocks = find_blocks(coding, *file);
  REQUIRE(blocks);
  REQUIRE(*blocks);
  return **blocks;
}

}  // namespace

TEST_CASE("any place of the plain stream is read", "[codec]") {
  Bytes plain = sample(5 * kMiB + 77);
  for (Coding coding : kIndexedCodings) {
    for (size_t cache : {size_t{0}, 2 * kMiB, 16 * kMiB}) {
      Bytes packed = encode_indexed(coding, plain, sample(100'000, 3));
      auto file = make_random_memory(packed);
      auto source = make_random_decoder(coding, *file, blocks_of(coding, packed), {cache});
      REQUIRE(source);
      REQUIRE((*source)->length() == plain.size());
      for (size_t at : {5 * kMiB + 70, size_t{0}, kMiB - 1, 3 * kMiB, kMiB, size_t{5}}) {
        for (size_t count : {size_t{7}, size_t{0}, size_t{4096}, 3 * kMiB}) {
          CAPTURE(traits_of(coding).name, cache, at, count);
          Bytes got(count);
          auto status = (*source)->read_at(at, got);
          if (count > plain.size() - at) {
            REQUIRE_FALSE(status);
            CHECK(status.error().code == Errc::Truncated);
            continue;
          }
          REQUIRE(status);
          CHECK(std::equal(got.begin(), got.end(), plain.begin() + ptrdiff_t(at)));
        }
      }
    }
  }
}
