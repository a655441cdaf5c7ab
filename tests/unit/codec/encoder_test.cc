// SPDX-License-Identifier: MIT
// What the encoder writes: the same for any number of threads, and readable by the stock tools.
#include "unit/codec/codec_fixture.h"

using namespace vmstream;
using namespace testing;

namespace {

struct FailingSink final : ByteSink {
  explicit FailingSink(int writes) : writes_left(writes) {}
  Status write(std::span<const std::byte>) override {
    if (writes_left-- > 0) return ok();
    return Error{Errc::Environment, "no space left"};
  }
  Status finish() override {
    finished = true;
    return ok();
  }
  int writes_left;
  bool finished = false;
};

std::vector<std::string> stock_readers(Coding coding) {
  switch (coding) {
    case Coding::None:
      return {"cat"};
    case Coding::Gzip:
      return {"gzip -dc", "zcat", "pigz -dc"};
    case Coding::Bzip2:
      return {"bzip2 -dc", "lbzip2 -dc"};
    case Coding::Zstd:
      return {"zstd -dc"};
    case Coding::Xz:
    case Coding::Lz4:
    case Coding::Lzop:
      break;
  }
  return {};
}

}  // namespace

TEST_CASE("every size comes back", "[codec]") {
  for (const CodingTraits& traits : written_codings()) {
    for (size_t size : {size_t{0}, size_t{1}, kMiB - 1, kMiB, kMiB + 1, 899'935UL, 899'936UL,
                        899'937UL, 2 * kMiB + 12345}) {
      CAPTURE(traits.name, size);
      Bytes plain = sample(size);
      auto decoded = decode(traits.coding, encode(traits.coding, plain));
      CHECK(decoded.status);
      CHECK((decoded.bytes == plain));
    }
  }
}

TEST_CASE("every level comes back, and higher ones are no larger", "[codec]") {
  Bytes plain = sample(300'000);
  for (const CodingTraits& traits : written_codings()) {
    size_t lowest_size = 0;
    for (int level = traits.lowest_level; level <= traits.highest_level; ++level) {
      CAPTURE(traits.name, level);
      Bytes packed = encode(traits.coding, plain, {.level = level});
      CHECK((decode(traits.coding, packed).bytes == plain));
      if (level == traits.lowest_level) lowest_size = packed.size();
      CHECK(packed.size() <= lowest_size + lowest_size / 100);
    }
  }
}

TEST_CASE("the number of threads does not change a byte", "[codec]") {
  Bytes plain = sample(2 * kMiB + 77);
  for (Coding coding : kPackingCodings) {
    Bytes one = encode(coding, plain, {.threads = 3});
    for (unsigned threads : {1U, 2U, 8U}) {
      CHECK(encode(coding, plain, {.threads = threads}) == one);
      CHECK((decode(coding, one, threads).bytes == plain));
    }
  }
}

TEST_CASE("how the bytes arrive does not change a byte", "[codec]") {
  Bytes plain = sample(2 * kMiB + 100);
  for (const CodingTraits& traits : written_codings()) {
    Bytes packed;
    auto sink = make_memory_sink(packed);
    auto encoder = std::move(*make_encoder(traits.coding, *sink));
    auto source = make_memory_source(plain);
    REQUIRE(*pump(*source, *encoder) == plain.size());
    REQUIRE(encoder->finish());
    CHECK(packed == encode(traits.coding, plain));
  }
}

TEST_CASE("stock tools read what the encoder writes", "[codec]") {
  for (size_t size : {size_t{0}, size_t{1}, 3 * kMiB + 5}) {
    Bytes plain = sample(size);
    for (const CodingTraits& traits : written_codings()) {
      Bytes packed = encode(traits.coding, plain);
      for (const std::string& reader : stock_readers(traits.coding)) {
        CAPTURE(reader, size);
        CHECK((run(reader, packed) == plain));
      }
    }
  }
}

TEST_CASE("stock tools accept every level of gzip", "[codec]") {
  Bytes plain = sample(kMiB + 5);
  for (int level = 1; level <= 9; ++level) {
    CHECK((run("gzip -dc", encode(Coding::Gzip, plain, {.level = level})) == plain));
  }
}

TEST_CASE("a sink that fails stops the encoder", "[codec]") {
  for (const CodingTraits& traits : written_codings()) {
    for (unsigned threads : {1U, 2U}) {
      CAPTURE(traits.name, threads);
      FailingSink sink(1);
      auto encoder = std::move(*make_encoder(traits.coding, sink, {.threads = threads}));
      Bytes block = sample(kMiB);
      Status status = ok();
      int writes = 0;
      while (status && ++writes < 100) status = encoder->write(block);
      REQUIRE_FALSE(status);
      CHECK(status.error().message == "no space left");
      CHECK(writes < 20);
      CHECK_FALSE(encoder->write(block));
      if (traits.coding == Coding::None) continue;
      CHECK(encoder->lend().empty());
      CHECK_FALSE(encoder->finish());
      CHECK_FALSE(sink.finished);
    }
  }
}

TEST_CASE("a level that a coding does not have is refused", "[codec]") {
  Bytes packed;
  auto sink = make_memory_sink(packed);
  auto encoder = make_encoder(Coding::Gzip, *sink, {.level = 10});
  REQUIRE_FALSE(encoder);
  CHECK(encoder.error().code == Errc::Usage);
  CHECK(encoder.error().message == "gzip level 10 is not within 1 to 9");
}

TEST_CASE("codings are found by name and by suffix", "[codec]") {
  CHECK(find_coding("zstd") == Coding::Zstd);
  CHECK(find_coding("none") == Coding::None);
  CHECK_FALSE(find_coding("lzma"));
  CHECK(find_coding_by_suffix("a/guest.gz") == Coding::Gzip);
  CHECK(find_coding_by_suffix("guest.zst.bz2") == Coding::Bzip2);
  CHECK_FALSE(find_coding_by_suffix("guest"));
  CHECK(codec_engines().size() >= 3);
}

TEST_CASE("a slow level ends within a block on a request to stop", "[codec]") {
  auto cancellation = Cancellation::create();
  REQUIRE(cancellation);
  Bytes packed;
  auto sink = make_memory_sink(packed);
  auto encoder =
      make_encoder(Coding::Zstd, *sink, {.level = 19, .limits = {.cancellation = &*cancellation}});
  REQUIRE(encoder);
  cancellation->request();
  REQUIRE((*encoder)->write(Bytes(1000)));  // less than a block
  auto finished = (*encoder)->finish();
  REQUIRE_FALSE(finished);
  CHECK(finished.error().code == Errc::Interrupted);
}
