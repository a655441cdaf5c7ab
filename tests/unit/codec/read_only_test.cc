// SPDX-License-Identifier: MIT
// xz, lz4 and lzop, which are read and not written: files of the stock tools, and damaged ones.
#include <algorithm>

#include "base/hash.h"
#include "unit/codec/codec_fixture.h"

using namespace vmstream;
using namespace testing;

namespace {

const std::vector<Producer> kProducers{
    {Coding::Xz, "xz -0c"},
    {Coding::Xz, "xz -9c"},
    {Coding::Xz, "xz -0 -T2 --block-size=300000 -c"},
    {Coding::Xz, "xz -0 -C none -c"},
    {Coding::Xz, "xz -0 -C crc32 -c"},
    {Coding::Xz, "xz -0 -C sha256 -c"},
    {Coding::Xz, "xz --delta --x86 --lzma2=preset=0 -c"},
    {Coding::Lz4, "lz4 -qc"},
    {Coding::Lz4, "lz4 -q9 -B4 -c"},
    {Coding::Lz4, "lz4 -q -BD -B7 -c"},
    {Coding::Lz4, "lz4 -q -BX -c"},
    {Coding::Lz4, "lz4 --no-frame-crc -qc"},
    {Coding::Lz4, "lz4 -lqc"},
    {Coding::Lzop, "lzop -qc"},
    {Coding::Lzop, "lzop -q -1 -CC -c"},
    {Coding::Lzop, "lzop -q -7 --crc32 -CC -c"},
    {Coding::Lzop, "lzop -q -F -c"},
    {Coding::Lzop, "lzop -q --filter=3 -CC -c"},
};

Bytes tiny() {
  Bytes bytes = sample(2 * 4096);
  return {bytes.begin() + 4096 - 150, bytes.begin() + 4096 + 150};
}

bool is_front_of(const Bytes& bytes, const Bytes& truth) {
  return bytes.size() <= truth.size() && std::equal(bytes.begin(), bytes.end(), truth.begin());
}

Bytes skippable(size_t length) {
  Bytes frame(8 + length, std::byte{0xee});
  constexpr std::array<uint8_t, 4> kMagic{0x5a, 0x2a, 0x4d, 0x18};
  std::ranges::copy(std::as_bytes(std::span(kMagic)), frame.begin());
  for (size_t i = 0; i < 4; ++i) frame[4 + i] = static_cast<std::byte>(length >> 8 * i);
  return frame;
}

// A valid file of `xz -0` whose first block claims the window that `code` stands for.
Bytes with_window(Bytes packed, uint8_t code) {
  constexpr size_t kBlock = 12;  // behind the stream header
  size_t length = 4 * (std::to_integer<size_t>(packed[kBlock]) + 1);
  packed[kBlock + 4] = std::byte{code};
  uint32_t crc = crc32_of(std::span(packed).subspan(kBlock, length - 4));
  for (size_t i = 0; i < 4; ++i) {
    packed[kBlock + length - 4 + i] = static_cast<std::byte>(crc >> 8 * i);
  }
  return packed;
}

// Where things are in a file of lzop that had no name.
struct LzopPart {
  static constexpr size_t kHeader = 9;
  static constexpr size_t kNeeded = 13;
  static constexpr size_t kMethod = 15;
  static constexpr size_t kFlags = 17;
  static constexpr size_t kHeaderSum = 34;
  static constexpr size_t kBlocks = 38;
};

void append_be32(Bytes& out, uint32_t value) {
  for (int shift = 24; shift >= 0; shift -= 8)
    out.push_back(static_cast<std::byte>(value >> shift));
}

Bytes with_be32(Bytes file, size_t at, uint32_t value) {
  Bytes bytes;
  append_be32(bytes, value);
  std::ranges::copy(bytes, file.begin() + static_cast<ptrdiff_t>(at));
  return file;
}

uint32_t adler32_of(std::span<const std::byte> bytes) {
  uint32_t low = 1;
  uint32_t high = 0;
  for (std::byte byte : bytes) {
    low = (low + std::to_integer<uint32_t>(byte)) % 65521;
    high = (high + low) % 65521;
  }
  return high << 16 | low;
}

// One byte of the header changed, and its checksum with it.
Bytes with_header(Bytes file, size_t at, uint8_t value) {
  file[at] = std::byte{value};
  auto header =
      std::span(file).subspan(LzopPart::kHeader, LzopPart::kHeaderSum - LzopPart::kHeader);
  return with_be32(file, LzopPart::kHeaderSum, adler32_of(header));
}

// The first block's lengths changed.
Bytes with_block(const Bytes& file, uint32_t plain, uint32_t packed) {
  return with_be32(with_be32(file, LzopPart::kBlocks, plain), LzopPart::kBlocks + 4, packed);
}

}  // namespace

TEST_CASE("xz, lz4 and lzop files of the stock tools are read", "[codec]") {
  for (size_t size : {size_t{0}, size_t{1000}, kMiB + 17, 5 * kMiB}) {
    Bytes plain = sample(size);
    for (const auto& [coding, command] : kProducers) {
      if (size == 5 * kMiB && coding == Coding::Xz) continue;  // blocks of 4 MiB are those of lz4
      Bytes packed = run(command, plain);
      if (size > 0) CHECK(recognise_coding(packed) == coding);
      for (unsigned threads : {1U, 2U}) {
        CAPTURE(command, size, threads);
        auto decoded = decode(coding, packed, threads);
        CHECK(decoded.status);
        CHECK((decoded.bytes == plain));
      }
    }
  }
}

TEST_CASE("xz, lz4 and lzop files of several producers in a row are read", "[codec]") {
  for (Coding coding : {Coding::Xz, Coding::Lz4, Coding::Lzop}) {
    Bytes all;
    Bytes packed;
    for (const auto& [own, command] : kProducers) {
      if (own != coding) continue;
      Bytes plain = sample(300'000 + packed.size() % 1000, packed.size() + 1);
      packed = concatenated({packed, run(command, plain), run(command, {})});
      all = concatenated({all, plain});
    }
    auto decoded = decode(coding, packed);
    CHECK(decoded.status);
    CHECK((decoded.bytes == all));
  }
}

TEST_CASE("an xz, lz4 or lzop file cut at any length is found out", "[codec]") {
  Bytes plain = tiny();
  for (const auto& [coding, command] : kProducers) {
    Bytes packed = run(command, plain);
    unsigned threads = command == "xz -0c" ? 2 : 1;
    for (size_t length = 0; length < packed.size(); length += testing::every()) {
      CAPTURE(command, length, packed.size());
      auto decoded =
          decode(coding, Bytes(packed.begin(), packed.begin() + ptrdiff_t(length)), threads);
      // The bare magic of a legacy frame is an empty one.
      if (command == "lz4 -lqc" && length == 4) {
        CHECK((decoded.status && decoded.bytes.empty()));
        continue;
      }
      REQUIRE_FALSE(decoded.status);
      REQUIRE(decoded.status.error().code == Errc::Truncated);
      REQUIRE(is_front_of(decoded.bytes, plain));
    }
  }
}

TEST_CASE("a flipped bit in an xz, lz4 or lzop file never gives wrong bytes", "[codec]") {
  Bytes plain = tiny();
  for (const auto& [coding, command] :
       std::vector<Producer>{{Coding::Xz, "xz -0c"},
                             {Coding::Lz4, "lz4 -qc"},
                             {Coding::Lzop, "lzop -q --filter=1 -CC -c"}}) {
    Bytes packed = run(command, plain);
    for (size_t bit = 0; bit < 8 * packed.size(); bit += testing::every()) {
      Bytes damaged = packed;
      damaged[bit / 8] ^= static_cast<std::byte>(1 << bit % 8);
      auto decoded = decode(coding, damaged, 1);
      CAPTURE(command, bit / 8, bit % 8);
      REQUIRE_FALSE(decoded.status);
      REQUIRE(is_front_of(decoded.bytes, plain));
    }
  }
}

TEST_CASE("an error in xz, lz4 and lzop files says where the unit begins", "[codec]") {
  Bytes plain = sample(kMiB);
  for (const auto& [coding, command] : kProducers) {
    if (command == "lz4 -lqc" || command == "lz4 --no-frame-crc -qc" ||
        command == "xz -0 -C none -c" || command == "lzop -q -F -c") {
      continue;
    }
    CAPTURE(command);
    Bytes good = run(command, plain);
    Bytes bad = good;
    bad[bad.size() / 2] ^= std::byte{0x40};
    auto decoded = decode(coding, concatenated({good, bad}));
    REQUIRE_FALSE(decoded.status);
    CHECK(decoded.status.error().code == Errc::Malformed);
    CHECK(decoded.status.error().file_offset == good.size());
    CHECK(is_front_of(decoded.bytes, concatenated({plain, plain})));
  }
}

TEST_CASE("zeros may follow xz, lz4 and lzop files, and stand between xz streams", "[codec]") {
  Bytes plain = sample(5000);
  for (const auto& [coding, command] : kProducers) {
    CAPTURE(command);
    Bytes packed = run(command, plain);
    auto padded = decode(coding, concatenated({packed, Bytes(kMiB + 8)}));
    CHECK(padded.status);
    CHECK(padded.bytes == plain);
    Bytes garbage(5, std::byte{'x'});
    CHECK_FALSE(decode(coding, concatenated({packed, Bytes(8), garbage})).status);
    CHECK_FALSE(decode(coding, concatenated({packed, Bytes(6), packed})).status);
    auto between = decode(coding, concatenated({packed, Bytes(kMiB + 8), packed}));
    REQUIRE(bool(between.status) == (coding == Coding::Xz));
    if (between.status) CHECK(between.bytes == concatenated({plain, plain}));
  }
}

TEST_CASE("skippable frames among lz4 frames are skipped", "[codec]") {
  Bytes plain = sample(kMiB);
  for (auto command : {"lz4 -qc", "lz4 -lqc"}) {
    CAPTURE(command);
    Bytes packed = run(command, plain);
    Bytes file = concatenated({skippable(5), packed, skippable(3 * kMiB), packed, skippable(0)});
    CHECK(recognise_coding(file) == Coding::Lz4);
    auto decoded = decode(Coding::Lz4, file);
    CHECK(decoded.status);
    CHECK((decoded.bytes == concatenated({plain, plain})));
  }
}

TEST_CASE("what xz and lz4 files need and is not given is named", "[codec]") {
  Bytes plain = sample(kMiB);
  Bytes packed = run("xz -0c", plain);
  constexpr uint8_t kWindow128MiB = 30;
  constexpr uint8_t kWindow192MiB = 31;
  for (unsigned threads : {1U, 2U}) {
    auto most = decode(Coding::Xz, with_window(packed, kWindow128MiB), threads);
    CHECK(most.status);
    CHECK((most.bytes == plain));
    auto refused = decode(Coding::Xz, with_window(packed, kWindow192MiB), threads);
    REQUIRE_FALSE(refused.status);
    CHECK(refused.status.error().code == Errc::Unsupported);
    CHECK(refused.status.error().message == "xz stream: more than 132 MiB are needed to decode it");
    CHECK(refused.status.error().file_offset == 0U);
  }
  Bytes frame = run("lz4 -qc", plain);
  frame[4] |= std::byte{1};
  auto refused = decode(Coding::Lz4, frame);
  REQUIRE_FALSE(refused.status);
  CHECK(refused.status.error().message == "lz4 frame: needs a dictionary");
}

TEST_CASE("an lzop part is what its header says", "[codec]") {
  Bytes plain = sample(3 * kMiB);
  Bytes packed = run("lzop -qc", plain);
  CHECK(decode(Coding::Lzop, with_header(packed, LzopPart::kMethod, 3)).status);
  auto check = [](const Bytes& file, Errc code, const std::string& message) {
    auto decoded = decode(Coding::Lzop, file);
    CAPTURE(message);
    REQUIRE_FALSE(decoded.status);
    CHECK(decoded.status.error().code == code);
    CHECK(decoded.status.error().message == message);
    CHECK(decoded.status.error().file_offset == 0);
    CHECK(decoded.bytes.empty());
  };
  check(with_header(packed, LzopPart::kMethod, 4), Errc::Unsupported,
        "lzop part: packed by method 4, want 1 to 3");
  check(with_header(packed, LzopPart::kNeeded, 0x20), Errc::Unsupported,
        "lzop part: needs version 0x2040, want 0x1040 or earlier");
  check(with_header(packed, LzopPart::kFlags + 1, 0x04), Errc::Unsupported,
        "lzop part: flags 0x0304000d, want none beyond 0xfff03fff");
  check(with_block(packed, 0xffffffff, 4), Errc::Unsupported,
        "lzop part: one piece of a file that was split");
  check(with_block(packed, (64 << 20) + 1, 4), Errc::Malformed,
        "lzop part: a block of 67108865 bytes, want 67108864 at most");
  check(with_block(packed, 8, 9), Errc::Malformed,
        "lzop part: a block of 8 bytes packed into 9, want 1 to 8");
  check(with_block(packed, 8, 0), Errc::Malformed,
        "lzop part: a block of 8 bytes packed into 0, want 1 to 8");
  check(with_block(packed, 64 << 20, 100), Errc::Malformed,
        "lzop part: a block cannot be unpacked into 67108864 bytes");
  Bytes filtered = run("lzop -q --filter=16 -c", plain);
  CHECK((decode(Coding::Lzop, filtered).bytes == plain));
}

TEST_CASE("an extra field of an lzop part is passed over", "[codec]") {
  Bytes plain = sample(10'000);
  Bytes packed = with_header(run("lzop -qc", plain), LzopPart::kFlags + 3, 0x4d);
  auto with_extra = [&](uint32_t length, size_t bytes) {
    Bytes field;
    append_be32(field, length);
    field.resize(4 + bytes, std::byte{7});
    append_be32(field, adler32_of(field));
    Bytes file = packed;
    file.insert(file.begin() + LzopPart::kBlocks, field.begin(), field.end());
    return file;
  };
  auto decoded = decode(Coding::Lzop, with_extra(1000, 1000));
  CHECK(decoded.status);
  CHECK((decoded.bytes == plain));
  CHECK_FALSE(decode(Coding::Lzop, with_extra(999, 1000)).status);
  auto refused = decode(Coding::Lzop, with_extra(65537, 100));
  REQUIRE_FALSE(refused.status);
  CHECK(refused.status.error().code == Errc::Unsupported);
}

TEST_CASE("a small xz, lz4 or lzop file that unpacks to much is read in pieces", "[codec]") {
  for (const auto& [coding, command] : std::vector<Producer>{{Coding::Xz, "xz -0 -T2 -c"},
                                                             {Coding::Lz4, "lz4 -qc"},
                                                             {Coding::Lz4, "lz4 -lqc"},
                                                             {Coding::Lzop, "lzop -qc"}}) {
    Bytes packed = run("head -c 40M /dev/zero | " + command, {});
    CHECK(count_in_pieces(coding, packed, 8 * kMiB) == 40 * kMiB);
  }
}

TEST_CASE("xz, lz4 and lzop are not written", "[codec]") {
  for (Coding coding : {Coding::Xz, Coding::Lz4, Coding::Lzop}) {
    CHECK_FALSE(traits_of(coding).writable);
    Bytes packed;
    auto sink = make_memory_sink(packed);
    auto encoder = make_encoder(coding, *sink, {});
    REQUIRE_FALSE(encoder);
    CHECK(encoder.error().code == Errc::Unsupported);
  }
  CHECK(find_coding_by_suffix("guest.xz") == Coding::Xz);
  CHECK(find_coding("lz4") == Coding::Lz4);
  CHECK(find_coding_by_suffix("guest.lzo") == Coding::Lzop);
}
