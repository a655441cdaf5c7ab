// SPDX-License-Identifier: MIT
// What the decoder reads: files of every producer, and how it refuses damaged ones.
#include <algorithm>
#include <functional>
#include <numeric>

#include "unit/codec/codec_fixture.h"

using namespace vmstream;
using namespace testing;

namespace {

const std::vector<Producer>& producers() {
  static const std::vector<Producer> all{
      {Coding::Gzip, "gzip -1c"},
      {Coding::Gzip, "gzip -9c"},
      {Coding::Gzip, "pigz -c"},
      {Coding::Gzip, "pigz -ic"},
      {Coding::Gzip, "gzip -c; printf '' | gzip -c"},
      {Coding::Bzip2, "bzip2 -c"},
      {Coding::Bzip2, "bzip2 -1c"},
      {Coding::Bzip2, "lbzip2 -c"},
      {Coding::Bzip2, "printf '' | bzip2 -c; bzip2 -c"},
      {Coding::Zstd, "zstd -1 -c"},
      {Coding::Zstd, "zstd -19 -c"},
      {Coding::Zstd, "zstd --long=27 -c"},
      {Coding::Zstd, "zstd -T0 -c"},
      {Coding::Zstd, "zstd --rsyncable -T2 -c"},
      {Coding::Zstd, "zstd --no-check -c"},
      {Coding::Zstd, "printf '' | zstd -c; zstd -c"},
  };
  return all;
}

bool is_front_of(const Bytes& bytes, const Bytes& truth) {
  return bytes.size() <= truth.size() && std::equal(bytes.begin(), bytes.end(), truth.begin());
}

// An error was reported, and no wrong byte before it.
void check_damage_found(const Decoded& decoded, const Bytes& truth) {
  CHECK_FALSE(decoded.status);
  CHECK(is_front_of(decoded.bytes, truth));
}

// Decodes until something comes out, asks for the end, and gives what the next piece says.
Result<std::span<const std::byte>> interrupt(
    const std::function<std::unique_ptr<ByteSource>(const WaitLimits&)>& make) {
  auto cancellation = Cancellation::create();
  REQUIRE(cancellation);
  auto source = make({.cancellation = &*cancellation});
  auto first = source->next();
  REQUIRE(first);
  REQUIRE_FALSE(first->empty());
  cancellation->request();
  return source->next();
}

// Gives a few bytes a read, as a slow pipe does.
struct SlowSource final : ByteSource {
  explicit SlowSource(std::span<const std::byte> all, size_t at_most = 7)
      : rest(all), most(at_most) {}
  Result<size_t> read(std::span<std::byte> into) override {
    size_t count = std::min({into.size(), rest.size(), most});
    std::copy_n(rest.begin(), count, into.begin());
    rest = rest.subspan(count);
    return count;
  }
  std::span<const std::byte> rest;
  size_t most;
};

// Short, for tests that decode once for each of its bytes or bits: noise, then text.
Bytes noise_and_text(size_t size) {
  constexpr size_t kPage = 4096;
  Bytes bytes = sample(2 * kPage);
  auto middle = bytes.begin() + kPage;
  return {middle - ptrdiff_t(size / 2), middle + ptrdiff_t(size - size / 2)};
}

Bytes zeros_packed(Coding coding, size_t mib) {
  return run("head -c " + std::to_string(mib) + "M /dev/zero | " +
                 std::string(coding == Coding::Zstd ? "zstd" : traits_of(coding).name) + " -c",
             {});
}

}  // namespace

TEST_CASE("much that comes of a small file is not decoded behind a request to stop", "[codec]") {
  const Bytes zeros(64 * kMiB);
  for (const auto& [coding, command] : std::vector<Producer>{{Coding::Gzip, "gzip -1c"},
                                                             {Coding::Bzip2, "bzip2 -1c"},
                                                             {Coding::Zstd, "zstd -1 -c"},
                                                             {Coding::Xz, "xz -0 -c"},
                                                             {Coding::Lz4, "lz4 -q -1 -c"},
                                                             {Coding::Lzop, "lzop -qc"}}) {
    INFO(command);
    Bytes packed = run(command, zeros);
    REQUIRE(packed.size() < kMiB);  // the source has been read to its end by then
    auto next = interrupt([&, coding = coding](const WaitLimits& limits) {
      auto source = make_decoder(coding, make_memory_source(packed), {.limits = limits});
      REQUIRE(source);
      return std::move(*source);
    });
    REQUIRE_FALSE(next);
    CHECK(next.error().code == Errc::Interrupted);
  }
}

TEST_CASE("files of the stock tools are read", "[codec]") {
  for (size_t size : {size_t{0}, size_t{1000}, 2 * kMiB + 17}) {
    Bytes plain = sample(size);
    for (const auto& [coding, command] : producers()) {
      CAPTURE(command, size);
      auto decoded = decode(coding, run(command, plain));
      CHECK(decoded.status);
      CHECK((decoded.bytes == plain));
    }
  }
}

TEST_CASE("units too large to hold are read", "[codec]") {
  Bytes first = sample(300'000);
  Bytes plain = sample(9 * kMiB);
  for (const auto& [coding, command] : std::vector<Producer>{{Coding::Gzip, "gzip -1c"},
                                                             {Coding::Bzip2, "lbzip2 -c"},
                                                             {Coding::Zstd, "zstd -1 -T2 -c"}}) {
    CAPTURE(command);
    Bytes packed = concatenated({encode(coding, first), run(command, plain)});
    auto decoded = decode(coding, packed);
    CHECK(decoded.status);
    CHECK((decoded.bytes == concatenated({first, plain})));
  }
}

TEST_CASE("files of several producers in a row are read", "[codec]") {
  Bytes first = sample(100'003, 1);
  Bytes second = sample(kMiB + 1, 2);
  Bytes third = sample(100, 3);
  Bytes plain = concatenated({first, second, third, first});
  for (const auto& [coding, command] : producers()) {
    CAPTURE(command);
    Bytes packed = concatenated(
        {encode(coding, first), run(command, second), run(command, third), encode(coding, first)});
    auto decoded = decode(coding, packed);
    CHECK(decoded.status);
    CHECK((decoded.bytes == plain));
  }
}

TEST_CASE("read() gives what next() gives, however slowly the input comes", "[codec]") {
  Bytes plain = sample(kMiB + 300);
  for (Coding coding : kPackingCodings) {
    Bytes packed = encode(coding, plain);
    auto source = std::move(*make_decoder(coding, std::make_unique<SlowSource>(packed), {2}));
    Bytes got(plain.size() + 1);
    auto count = read_fully(*source, got);
    REQUIRE(count);
    got.resize(*count);
    CHECK(got == plain);
    CHECK(*source->read(got) == 0);
  }
}

TEST_CASE("members of other programs end wherever a read does", "[codec]") {
  Bytes plain = sample(20'000);
  Bytes member = run("gzip -1c", plain);
  Bytes stored = run("gzip -1c", Bytes(plain.begin(), plain.begin() + 300));
  Bytes packed = concatenated({member, stored, member, stored, stored});
  Bytes truth;
  for (ptrdiff_t bytes : {20'000, 300, 20'000, 300, 300}) {
    truth.insert(truth.end(), plain.begin(), plain.begin() + bytes);
  }
  for (size_t most : {1U, 2U, 3U, 5U, 8U, 13U}) {
    CAPTURE(most);
    auto source = std::make_unique<SlowSource>(packed, most);
    auto decoded = drain(**make_decoder(Coding::Gzip, std::move(source), {2}));
    CHECK(decoded.status);
    CHECK((decoded.bytes == truth));
  }
}

// Cuts two of `packed` in a row at every length. `units` is how many one of them holds.
void check_every_cut(Coding coding, const Bytes& packed, const Bytes& plain, size_t units) {
  Bytes truth = concatenated({plain, plain});
  Bytes two = concatenated({packed, packed});
  size_t whole = 0;
  for (size_t length = 0; length < two.size(); length += testing::every()) {
    auto decoded = decode(coding, Bytes(two.begin(), two.begin() + ptrdiff_t(length)), 1);
    if (decoded.status) {
      ++whole;
      if (decoded.bytes == plain || decoded.bytes == truth || decoded.bytes.empty()) continue;
    } else if (decoded.status.error().code == Errc::Truncated &&
               is_front_of(decoded.bytes, truth)) {
      continue;
    }
    CAPTURE(length, packed.size());
    FAIL("neither whole nor reported as cut off");
  }
  CHECK(whole <= 2 * units - 1);  // what ends between two units
}

TEST_CASE("a file cut at any length is found out", "[codec]") {
  Bytes plain = noise_and_text(300);
  for (Coding coding : kPackingCodings) {
    CAPTURE(traits_of(coding).name);
    check_every_cut(coding, encode(coding, plain), plain, 1);
  }
  for (const auto& [coding, command] : producers()) {
    CAPTURE(command);
    bool two_units = command.find(';') != std::string::npos;
    check_every_cut(coding, run(command, plain), plain, two_units ? 2 : 1);
  }
}

TEST_CASE("a flipped bit in a file of ours never gives wrong bytes", "[codec]") {
  Bytes plain = noise_and_text(300);
  for (Coding coding : kPackingCodings) {
    Bytes packed = encode(coding, plain);
    size_t unreported = 0;
    for (size_t bit = 0; bit < 8 * packed.size(); bit += testing::every()) {
      Bytes damaged = packed;
      damaged[bit / 8] ^= static_cast<std::byte>(1 << bit % 8);
      auto decoded = decode(coding, damaged, 1);
      if (decoded.status) ++unreported;
      if (decoded.status ? decoded.bytes == plain : is_front_of(decoded.bytes, plain)) continue;
      CAPTURE(traits_of(coding).name, bit / 8, bit % 8);
      FAIL("wrong bytes were handed out");
    }
    // Bits that nothing depends on: the block size of bzip2 and those that fill its last byte; in
    // zstd reserved ones, and some in the description of a Huffman table.
    size_t idle = coding == Coding::Bzip2 ? 4 + 7 : coding == Coding::Zstd ? 2 + 8 : 0;
    CAPTURE(traits_of(coding).name);
    CHECK(unreported <= idle);
  }
}

TEST_CASE("a flipped bit in a member of another program never gives wrong bytes", "[codec]") {
  Bytes plain = noise_and_text(300);
  Bytes packed = run("gzip -9cn", plain);
  constexpr size_t kHead = 11;  // ends within the data: what follows comes in one read
  for (size_t bit = 0; bit < 8 * packed.size(); bit += testing::every()) {
    Bytes damaged = packed;
    damaged[bit / 8] ^= static_cast<std::byte>(1 << bit % 8);
    auto rest = make_memory_source(std::span(damaged).subspan(kHead));
    auto source = make_prefixed_source({damaged.begin(), damaged.begin() + kHead}, std::move(rest));
    auto decoded = drain(**make_decoder(Coding::Gzip, std::move(source), {1}));
    if (decoded.status ? decoded.bytes == plain : is_front_of(decoded.bytes, plain)) continue;
    CAPTURE(bit / 8, bit % 8);
    FAIL("wrong bytes were handed out");
  }
}

TEST_CASE("an error in the middle comes after the bytes before it", "[codec]") {
  Bytes plain = sample(kMiB + 1);
  for (Coding coding : kPackingCodings) {
    Bytes good = encode(coding, plain);
    Bytes bad = encode(coding, sample(300'000, 9));
    bad[bad.size() / 2] ^= std::byte{0x40};
    for (unsigned threads : {1U, 2U, 8U}) {
      CAPTURE(traits_of(coding).name, threads);
      auto decoded = decode(coding, concatenated({good, bad, good}), threads);
      REQUIRE_FALSE(decoded.status);
      CHECK(decoded.status.error().code == Errc::Malformed);
      CHECK(decoded.status.error().file_offset == good.size());
      CHECK(decoded.bytes.size() >= plain.size());
      check_damage_found(decoded, concatenated({plain, sample(300'000, 9)}));
    }
  }
}

TEST_CASE("an error stays", "[codec]") {
  Bytes packed = encode(Coding::Gzip, sample(1000));
  packed.pop_back();
  auto source = std::move(*make_decoder(Coding::Gzip, make_memory_source(packed)));
  REQUIRE_FALSE(source->next());
  CHECK(source->next().error().message == source->next().error().message);
}

// `packed` unpacks to `plain`.
void check_padding(Coding coding, const Bytes& packed, const Bytes& plain, const Bytes& zeros) {
  const Bytes garbage{std::byte{'x'}, std::byte{'y'}, std::byte{'z'}, std::byte{'\n'}};
  auto padded = decode(coding, concatenated({packed, zeros}));
  CHECK(padded.status);
  CHECK(padded.bytes == plain);
  auto decoded = decode(coding, concatenated({packed, zeros, garbage}));
  check_damage_found(decoded, plain);
  CHECK(decoded.status.error().code == Errc::Malformed);
  check_damage_found(decode(coding, concatenated({packed, zeros, packed})), plain);
}

TEST_CASE("zeros behind the last unit are padding, anything else is an error", "[codec]") {
  Bytes plain = sample(5000);
  for (const auto& [coding, command] : producers()) {
    CAPTURE(command);
    Bytes packed = run(command, plain);
    check_padding(coding, packed, plain, Bytes(5));
    check_damage_found(decode(coding, concatenated({packed, Bytes(1, std::byte{'x'})})), plain);
  }
  Bytes more_than_a_read(kMiB + 5);
  for (Coding coding : kPackingCodings) {
    CAPTURE(traits_of(coding).name);
    check_padding(coding, encode(coding, plain), plain, more_than_a_read);
  }
}

TEST_CASE("skippable frames are skipped", "[codec]") {
  Bytes plain = sample(2 * kMiB);
  Bytes packed = encode(Coding::Zstd, plain);
  Bytes skippable(8 + 3 * kMiB);
  skippable[0] = std::byte{0x5e};
  skippable[1] = std::byte{0x2a};
  skippable[2] = std::byte{0x4d};
  skippable[3] = std::byte{0x18};
  skippable[6] = std::byte{0x30};
  auto decoded =
      decode(Coding::Zstd, concatenated({skippable, packed, skippable, packed, skippable}));
  CHECK(decoded.status);
  CHECK((decoded.bytes == concatenated({plain, plain})));
  skippable.pop_back();
  auto cut = decode(Coding::Zstd, concatenated({packed, skippable}));
  REQUIRE_FALSE(cut.status);
  CHECK(cut.status.error().code == Errc::Truncated);
  CHECK(cut.status.error().file_offset == packed.size());
}

TEST_CASE("a window of more than 128 MiB is not supported", "[codec]") {
  auto packed = run("head -c 20M /dev/zero | zstd --ultra --long=28 --no-content-size -c", {});
  auto decoded = decode(Coding::Zstd, packed);
  REQUIRE_FALSE(decoded.status);
  CHECK(decoded.status.error().code == Errc::Unsupported);
  CHECK(decoded.status.error().hint == "unpack the file with 'zstd -d --long=31' first");
}

TEST_CASE("a small file that unpacks to much is read in pieces", "[codec]") {
  for (Coding coding : kPackingCodings) {
    CAPTURE(traits_of(coding).name);
    Bytes packed = zeros_packed(coding, 40);
    CHECK(count_in_pieces(coding, packed, 8 * kMiB) == 40 * kMiB);
  }
}

TEST_CASE("messages give the value found and the value wanted", "[codec]") {
  auto message_of = [](Coding coding, const Bytes& packed) {
    auto decoded = decode(coding, packed);
    return decoded.status ? "no error" : decoded.status.error().message;
  };
  Bytes text{std::byte{'t'}, std::byte{'e'}, std::byte{'x'}, std::byte{'t'}, std::byte{'!'}};
  CHECK(message_of(Coding::Gzip, text) == "no gzip member: begins with 74 65 78 74");
  CHECK(message_of(Coding::Zstd, {}) == "the file is empty, want a zstd frame");
  Bytes member = run("printf abc | gzip -cn", {});
  CHECK(message_of(Coding::Gzip, concatenated({member, text})) ==
        "bytes that are no gzip member follow the last one: 74 65 78 74");
  member[member.size() - 5] ^= std::byte{1};
  CHECK(message_of(Coding::Gzip, member) ==
        "gzip member: checksum found 0x352441c2, want 0x342441c2");
  member[member.size() - 5] ^= std::byte{1};
  member[member.size() - 1] ^= std::byte{1};
  CHECK(message_of(Coding::Gzip, member) == "gzip member: length found 3, want 16777219");
  member.resize(20);
  CHECK(message_of(Coding::Gzip, member) == "gzip member: cut off by the end of the file");
  Bytes ours = encode(Coding::Gzip, text);
  ours[20] ^= std::byte{1};
  CHECK(message_of(Coding::Gzip, ours).starts_with("gzip member: checksum of its bytes found 0x"));
  ours.resize(30);
  CHECK(message_of(Coding::Gzip, ours) ==
        "gzip member: cut off by the end of the file after 30 bytes");
}

TEST_CASE("codings are recognised by their first bytes", "[codec]") {
  for (Coding coding : kPackingCodings) {
    Bytes packed = encode(coding, sample(10));
    CHECK(recognise_coding(std::span(packed).first(6)) == coding);
    CHECK_FALSE(recognise_coding(std::span(packed).first(2)));
  }
  CHECK_FALSE(recognise_coding(std::as_bytes(std::span("QEVM..", 6))));
}
