// SPDX-License-Identifier: MIT
// The trailer: written behind the blocks, found from the end, passed over by stock tools.
#include "codec/trailer/trailer.h"

#include <fmt/format.h>

#include "base/endian.h"
#include "base/hash.h"
#include "codec/trailer/block_table.h"
#include "codec/trailer/trailer_wrap.h"
#include "unit/codec/trailer_fixture.h"

using namespace vmstream;
using namespace testing;

namespace {

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
  for (const CodingTraits& traits : written_codings()) {
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
    auto encoder = std::move(*make_indexed_encoder(coding, *sink, {}, failing));
    auto finished = encoder->finish();
    REQUIRE_FALSE(finished);
    CHECK(finished.error().message == "no index today");
  }
  auto none = std::move(*make_indexed_encoder(Coding::Bzip2, *sink, {}, failing));
  CHECK(none->finish());
}

TEST_CASE("a flipped bit in the trailer is found, and the plain bytes stay good", "[codec]") {
  Bytes plain = sample(3000);
  Bytes index = sample(70, 9);
  for (Coding coding : kIndexedCodings) {
    BlockTable blocks;
    Bytes packed = encode_indexed(coding, plain, index, &blocks);
    size_t start = blocks.file_length();
    for (size_t bit = 8 * start; bit < 8 * packed.size(); bit += testing::every()) {
      Bytes damaged = packed;
      damaged[bit / 8] ^= static_cast<std::byte>(1 << bit % 8);
      CAPTURE(traits_of(coding).name, start, bit / 8, bit % 8);
      Found found = find(coding, damaged);
      // A bit of the content is for the checksums of the index to find.
      if (!found.error && found.index == index) FAIL("not found");
      if (found.error) CHECK(found.error->file_offset);
      auto decoded = decode(coding, damaged, 1);
      if (!decoded.bytes.empty() && decoded.bytes != plain) FAIL("wrong bytes");
    }
  }
}

TEST_CASE("a cut trailer is none, or damaged", "[codec]") {
  Bytes index = sample(70, 9);
  for (Coding coding : kIndexedCodings) {
    Bytes packed = encode_indexed(coding, sample(3000), index);
    for (size_t length = 0; length < packed.size(); length += testing::every()) {
      Found found = find(coding, Bytes(packed.begin(), packed.begin() + ptrdiff_t(length)));
      CAPTURE(traits_of(coding).name, length);
      CHECK_FALSE(found.trailer);
    }
  }
}

TEST_CASE("the trailer of another file is told", "[codec]") {
  Bytes index = sample(70, 9);
  for (Coding coding : kIndexedCodings) {
    CAPTURE(traits_of(coding).name);
    BlockTable blocks;
    Bytes packed = encode_indexed(coding, sample(3000), index, &blocks);
    Bytes trailer(packed.begin() + ptrdiff_t(blocks.file_length()), packed.end());
    Found two = find(coding, concatenated({packed, packed}));
    REQUIRE(two.error);
    CHECK(two.error->code == Errc::Malformed);
    Found other = find(coding, concatenated({encode(coding, sample(4000, 2)), trailer}));
    REQUIRE(other.error);
    CHECK(other.error->message.find(
              coding == Coding::Zstd ? "stand before it" : "of another file") != std::string::npos);
  }
}

TEST_CASE("blocks that were dropped, repeated or swapped are told by the trailer", "[codec]") {
  Bytes plain = sample(3 * kMiB);
  for (Coding coding : kIndexedCodings) {
    BlockTable blocks;
    Bytes packed = encode_indexed(coding, plain, sample(70, 9), &blocks);
    auto block = [&](size_t number) {
      auto front = packed.begin() + ptrdiff_t(blocks[number].file_offset);
      return Bytes(front, front + blocks[number].packed_length);
    };
    Bytes trailer(packed.begin() + ptrdiff_t(blocks.file_length()), packed.end());
    Bytes dropped = concatenated({block(0), block(2), trailer});
    Bytes repeated = concatenated({block(0), block(1), block(1), block(2), trailer});
    Bytes swapped = concatenated({block(0), block(2), block(1), trailer});
    for (const Bytes& damaged : {dropped, repeated, swapped}) {
      CAPTURE(traits_of(coding).name, damaged.size(), packed.size());
      auto decoded = decode(coding, damaged);
      REQUIRE_FALSE(decoded.status);
      CHECK(decoded.status.error().message.starts_with("trailer: checksum of the file before it"));
      CHECK(decoded.status.error().file_offset > damaged.size() - trailer.size());
      if (damaged.size() != packed.size()) CHECK(find(coding, damaged).error);
    }
    REQUIRE(decode(coding, packed).status);
  }
}

TEST_CASE("files in a row have each a checksum of its own", "[codec]") {
  Bytes first = sample(kMiB + 5);
  Bytes second = sample(3000, 2);
  for (Coding coding : kIndexedCodings) {
    CAPTURE(traits_of(coding).name);
    Bytes front = encode_indexed(coding, first, sample(70, 9));
    Bytes back = encode_indexed(coding, second, sample(200, 3));
    auto decoded = decode(coding, concatenated({front, back, encode(coding, first), front}));
    // What stands in front of the last file has no trailer of its own.
    REQUIRE_FALSE(decoded.status);
    CHECK((decoded.bytes == concatenated({first, second, first, first})));
    decoded = decode(coding, concatenated({front, back, front}));
    CHECK(decoded.status);
    CHECK((decoded.bytes == concatenated({first, second, first})));
  }
}

TEST_CASE("a flipped bit in front of the trailer is found, whatever depends on it", "[codec]") {
  Bytes text = sample(2 * 4096);
  Bytes plain(text.end() - 300, text.end());
  for (Coding coding : kIndexedCodings) {
    BlockTable blocks;
    Bytes packed = encode_indexed(coding, plain, sample(70, 9), &blocks);
    for (size_t bit = 0; bit < 8 * blocks.file_length(); bit += testing::every()) {
      Bytes damaged = packed;
      damaged[bit / 8] ^= static_cast<std::byte>(1 << bit % 8);
      auto decoded = decode(coding, damaged, 1);
      if (!decoded.status && (decoded.bytes.empty() || decoded.bytes == plain)) continue;
      CAPTURE(traits_of(coding).name, bit / 8, bit % 8);
      FAIL("not found, or only behind wrong bytes");
    }
  }
}

TEST_CASE("sizes in a locator that cannot be are refused", "[codec]") {
  for (Coding coding : kIndexedCodings) {
    BlockTable blocks;
    Bytes packed = encode_indexed(coding, sample(3000), sample(70, 9), &blocks);
    TrailerWrap wrap(coding);
    size_t locator = blocks.file_length() + 70 + wrap.overhead_bytes() + wrap.prefix_bytes();
    for (size_t field : {4UL, 8UL, 12UL, 16UL, 20UL}) {
      for (uint32_t value : {0U, 1U, 0x7fffffffU, 0xffffffffU}) {
        Bytes lying = packed;
        auto content = std::span(lying).subspan(locator, 36);
        if (read_le32(content, field) == value) continue;
        write_le32(content, field, value);
        write_le32(content, 32, crc32_of(content.first(32)));
        CAPTURE(traits_of(coding).name, field, value);
        Found found = find(coding, lying);
        REQUIRE(found.error);
        CHECK(found.error->code == Errc::Malformed);
      }
    }
    auto content = std::span(packed).subspan(locator, 36);
    write_le32(content, 0, 2);
    write_le32(content, 32, crc32_of(content.first(32)));
    Found newer = find(coding, packed);
    REQUIRE(newer.error);
    CHECK(newer.error->code == Errc::Unsupported);
    CHECK(newer.error->message == "trailer: version found 2, want 1");
  }
}

TEST_CASE("a seek table leaves out no frame that holds something", "[codec]") {
  Bytes plain = sample(3 * kMiB);
  Bytes packed = encode(Coding::Zstd, plain);
  BlockTable blocks = **find_blocks(Coding::Zstd, *make_random_memory(packed));
  REQUIRE(blocks.size() == 3);
  Bytes frames(packed.begin(), packed.begin() + static_cast<ptrdiff_t>(blocks.file_length()));
  BlockTable lying;
  REQUIRE(lying.append(blocks[0].plain_length, blocks[0].packed_length));
  REQUIRE(lying.append_gap(blocks[1].packed_length));
  REQUIRE(lying.append(blocks[2].plain_length, blocks[2].packed_length));
  Bytes file = concatenated({frames, make_seek_table(lying, {})});
  auto trailer = read_trailer(Coding::Zstd, *make_random_memory(file));
  REQUIRE_FALSE(trailer);
  CHECK(trailer.error().message.find("is said to hold nothing") != std::string::npos);
}

TEST_CASE("seek tables of other programs are read", "[codec]") {
  Bytes plain = sample(2 * kMiB);
  Bytes frames = concatenated({run("head -c 1M | zstd -c --stream-size=1M", plain),
                               run("tail -c 1M | zstd -c --stream-size=1M", plain)});
  auto file = make_random_memory(frames);
  BlockTable blocks = **find_blocks(Coding::Zstd, *file);
  Bytes seekable = concatenated({frames, make_seek_table(blocks, {})});
  Found found = find(Coding::Zstd, seekable);
  CHECK(found.trailer);
  CHECK_FALSE(found.index);
  auto seekable_file = make_random_memory(seekable);
  CHECK(same_blocks(*(*read_trailer(Coding::Zstd, *seekable_file))->blocks, blocks));

  // The same without checksums.
  Bytes plainer = frames;
  append_le(plainer, 0x184d2a5e, 4);
  append_le(plainer, 2 * 8 + 9, 4);
  for (size_t i : {size_t{0}, size_t{1}}) {
    append_le(plainer, blocks[i].packed_length, 4);
    append_le(plainer, blocks[i].plain_length, 4);
  }
  append_le(plainer, 2, 4);
  append_le(plainer, 0, 1);
  append_le(plainer, 0x8f92eab1, 4);
  auto plainer_file = make_random_memory(plainer);
  auto trailer = read_trailer(Coding::Zstd, *plainer_file);
  REQUIRE((trailer && *trailer));
  REQUIRE((*trailer)->blocks->size() == 2);
  CHECK((*(*trailer)->blocks)[1].plain_offset == kMiB);
  CHECK((*(*trailer)->blocks)[1].check == 0);
}

TEST_CASE("a seek table that cannot be is refused", "[codec]") {
  Bytes packed = encode(Coding::Zstd, sample(3000));
  auto file = make_random_memory(packed);
  Bytes table = make_seek_table(**find_blocks(Coding::Zstd, *file), {});
  auto lie = [&](size_t at, uint32_t value) {
    Bytes lying = table;
    write_le32(lying, at, value);
    return find(Coding::Zstd, concatenated({packed, lying})).error.value_or(Error{Errc::Usage, ""});
  };
  size_t size = packed.size();
  CHECK(lie(8, 7).message.find("a frame of 7 bytes at 0x0") != std::string::npos);
  CHECK(lie(8, 0xffffffff).code == Errc::Malformed);
  CHECK(
      lie(8, uint32_t(size) - 1).message ==
      fmt::format("zstd seek table: its frames make {} bytes, {} stand before it", size - 1, size));
  CHECK(lie(20, 0xffffffff).message == "zstd seek table: its header or its end is damaged");
  CHECK(lie(20, 0).code == Errc::Malformed);
  Bytes newer = table;
  newer[24] = std::byte{0x84};
  CHECK(find(Coding::Zstd, concatenated({packed, newer})).error->code == Errc::Unsupported);
}
