// SPDX-License-Identifier: MIT
// Plain bytes by position, from files good and bad.
#include "codec/random_decoder.h"

#include "unit/codec/trailer_fixture.h"

using namespace vmstream;
using namespace testing;

namespace {

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

TEST_CASE("pieces of other programs are read by position", "[codec]") {
  Bytes first = sample(kMiB, 1);
  Bytes second = sample(300'000, 2);
  Bytes plain = concatenated({first, second, first});
  for (const char* options : {"-3", "--no-check", "-19", "--fast=4"}) {
    CAPTURE(options);
    // Of a pipe zstd does not know the length, and the frame would not say it.
    std::string command =
        std::string("{ d=$(mktemp -d); cat > $d/f; zstd -c ") + options + " $d/f; rm -r $d; }";
    Bytes packed = concatenated(
        {run(command, first), run(command, second), run(command, {}), encode(Coding::Zstd, first)});
    auto file = make_random_memory(packed);
    auto source = make_random_decoder(Coding::Zstd, *file, blocks_of(Coding::Zstd, packed));
    REQUIRE(source);
    CHECK((read_all(**source) == plain));
  }
  // Where a table says so, members and streams that do not tell their length.
  for (const auto& [coding, command] : {std::pair(Coding::Gzip, "gzip -c"),
                                        {Coding::Gzip, "pigz -c"},
                                        {Coding::Bzip2, "bzip2 -c"},
                                        {Coding::Bzip2, "lbzip2 -c"},
                                        {Coding::Zstd, "zstd -c"}}) {
    CAPTURE(command);
    Bytes packed_first = run(command, first);
    Bytes packed_second = run(command, second);
    BlockTable table;
    REQUIRE(table.append(uint32_t(first.size()), uint32_t(packed_first.size())));
    REQUIRE(table.append(uint32_t(second.size()), uint32_t(packed_second.size())));
    Bytes packed = concatenated({packed_first, packed_second});
    auto file = make_random_memory(packed);
    auto source = make_random_decoder(coding, *file, table);
    REQUIRE(source);
    CHECK((read_all(**source) == concatenated({first, second})));
  }
}

TEST_CASE("pieces that cannot be told or held have no table", "[codec]") {
  auto has_table = [](Coding coding, const Bytes& packed) {
    auto file = make_random_memory(packed);
    auto blocks = find_blocks(coding, *file);
    REQUIRE(blocks);
    return blocks->has_value();
  };
  Bytes plain = sample(9 * kMiB);
  CHECK_FALSE(has_table(Coding::Gzip, run("gzip -1c", sample(1000))));
  CHECK_FALSE(
      has_table(Coding::Gzip, concatenated({encode(Coding::Gzip, plain), run("gzip -1c", plain)})));
  CHECK_FALSE(has_table(Coding::Bzip2, encode(Coding::Bzip2, sample(1000))));
  CHECK_FALSE(has_table(Coding::Zstd, run("zstd -1c", plain)));
  CHECK_FALSE(has_table(Coding::Zstd, run("cat | zstd -1c --no-content-size", plain)));
  CHECK(has_table(Coding::Zstd, encode(Coding::Zstd, plain)));
}

TEST_CASE("a cut or damaged file is found out on the walk or on reading", "[codec]") {
  Bytes plain = sample(600);
  for (Coding coding : kIndexedCodings) {
    Bytes packed = concatenated({encode(coding, plain), encode(coding, plain)});
    auto try_reading = [&](const Bytes& bytes) -> Result<Bytes> {
      auto file = make_random_memory(bytes);
      auto blocks = find_blocks(coding, *file);
      if (!blocks) return blocks.error();
      if (!*blocks) return Error{Errc::Unsupported, "no table"};
      auto source = make_random_decoder(coding, *file, **blocks);
      if (!source) return source.error();
      Bytes got((*source)->length());
      auto status = (*source)->read_at(0, got);
      if (!status) return status.error();
      return got;
    };
    for (size_t length = 0; length < packed.size(); length += testing::every()) {
      auto got = try_reading(Bytes(packed.begin(), packed.begin() + ptrdiff_t(length)));
      if (got && (got->empty() || *got == plain)) continue;  // cut between two pieces
      CAPTURE(traits_of(coding).name, length);
      REQUIRE_FALSE(got);
    }
    for (size_t bit = 0; bit < 8 * packed.size(); bit += testing::every()) {
      Bytes damaged = packed;
      damaged[bit / 8] ^= static_cast<std::byte>(1 << bit % 8);
      if (!try_reading(damaged)) continue;
      CAPTURE(traits_of(coding).name, bit / 8, bit % 8);
      FAIL("not found");
    }
  }
}

TEST_CASE("a table that lies is found out before a byte is handed out", "[codec]") {
  Bytes noise = run("head -c 2M /dev/urandom", {});  // blocks of one packed length
  for (Coding coding : kIndexedCodings) {
    CAPTURE(traits_of(coding).name);
    Bytes packed = encode(coding, noise);
    BlockTable good = blocks_of(coding, packed);
    REQUIRE(good.size() == 2);
    auto message_with = [&](const Bytes& bytes, std::initializer_list<PackedBlock> blocks) {
      BlockTable table;
      for (PackedBlock b : blocks) REQUIRE(table.append(b.plain_length, b.packed_length, b.check));
      auto file = make_random_memory(bytes);
      auto source = make_random_decoder(coding, *file, table);
      if (!source) return source.error().message;
      Bytes got(10);
      auto status = (*source)->read_at(kMiB + 5, got);
      if (status) return std::string("no error");
      CHECK(status.error().offset == kMiB);
      CHECK(status.error().file_offset == good[1].file_offset);
      return status.error().message;
    };
    auto with = [](PackedBlock block, uint32_t PackedBlock::*field, uint32_t value) {
      block.*field = value;
      return block;
    };
    CHECK(message_with(packed, {good[0], good[1]}) == "no error");
    CHECK(message_with(packed, {good[0], with(good[1], &PackedBlock::plain_length, 17)})
              .find("length found 0x100000, want 0x11 by the table of blocks") !=
          std::string::npos);
    CHECK(message_with(packed, {good[0], with(good[1], &PackedBlock::check, 17)})
              .find("want 0x11 by the table of blocks") != std::string::npos);
    CHECK(message_with(packed, {good[0], with(good[1], &PackedBlock::packed_length, 17)}) !=
          "no error");
    CHECK(message_with(packed, {good[0], with(good[1], &PackedBlock::plain_length, 0x10000000)}) ==
          "a block of 268435456 bytes is too large to be read by position, want at most 8388608");
    CHECK(message_with(packed, {good[0], with(good[1], &PackedBlock::packed_length, 0x10000000)})
              .find("of a file of at least") != std::string::npos);

    // Blocks swapped in the file: each is whole, but not the one the table means.
    if (good[0].packed_length != good[1].packed_length) continue;
    auto second = packed.begin() + ptrdiff_t(good[1].file_offset);
    Bytes swapped(second, packed.end());
    swapped.insert(swapped.end(), packed.begin(), second);
    CHECK(message_with(swapped, {good[0], good[1]}).find("checksum found") != std::string::npos);
  }
}

TEST_CASE("an error at one place leaves the others readable", "[codec]") {
  Bytes plain = sample(3 * kMiB);
  for (Coding coding : kIndexedCodings) {
    Bytes packed = encode(coding, plain);
    BlockTable blocks = blocks_of(coding, packed);
    packed[blocks[1].file_offset + blocks[1].packed_length / 2] ^= std::byte{4};
    auto file = make_random_memory(packed);
    auto source = std::move(*make_random_decoder(coding, *file, blocks));
    Bytes got(100);
    for (int round = 0; round < 2; ++round) {
      CHECK(source->read_at(5, got));
      CHECK_FALSE(source->read_at(kMiB, got));
      CHECK(source->read_at(2 * kMiB, got));
      CHECK(std::equal(got.begin(), got.end(), plain.begin() + 2 * kMiB));
    }
  }
}
