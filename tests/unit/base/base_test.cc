// SPDX-License-Identifier: MIT
#include <poll.h>

#include <thread>

#include <vmstream/cancellation.h>
#include <vmstream/digest.h>
#include <vmstream/text.h>
#include "base/byte_reader.h"
#include "base/unique_fd.h"
#include "support/catch.h"

using namespace vmstream;

namespace {
std::span<const std::byte> bytes_of(std::string_view text) {
  return std::as_bytes(std::span(text.data(), text.size()));
}
TEST_CASE("what may be meant comes first, nearest first", "[base]") {
  using Names = std::vector<std::string>;
  Names names{"sections", "device", "devices", "ram"};
  CHECK(by_distance("devcie", names) == Names{"device", "devices", "sections", "ram"});
  CHECK(by_distance("vice", names).front() == "device");  // it is a part of it
  CHECK(did_you_mean("RMA", names) == "did you mean 'ram'?");
  CHECK(did_you_mean("devcie", names) == "did you mean 'device' or 'devices'?");
  CHECK(did_you_mean("something else", names).empty());
  CHECK(did_you_mean("", names).empty());
  CHECK(did_you_mean("e", names).empty());
  CHECK(did_you_mean(std::string(1 << 20, 'x'), Names(1 << 17, std::string(255, 'y'))).empty());
}

}  // namespace

TEST_CASE("a byte reader takes big-endian fields off the front", "[base]") {
  ByteReader in(bytes_of(std::string_view("\x01\x02\x03\x04\x05\x03ram", 9)), 100);
  CHECK(in.be<uint32_t>("word") == 0x01020304);
  CHECK(in.be<uint8_t>("byte") == 5);
  CHECK(in.counted_string("name") == "ram");
  CHECK(in.ok());
  CHECK(in.offset() == 109);
  CHECK(in.last_offset() == 106);
}

TEST_CASE("the first failure of a byte reader sticks and moves nothing", "[base]") {
  ByteReader in(bytes_of("abc"), 7);
  CHECK(in.be<uint32_t>("section id") == 0);
  CHECK(in.be<uint8_t>("other") == 0);
  REQUIRE_FALSE(in.ok());
  CHECK(in.error().code == Errc::Truncated);
  CHECK(in.error().message == "section id needs 4 bytes, 3 left");
  CHECK(in.error().offset == 7);
  CHECK(in.remaining() == 3);
}

TEST_CASE("sizes, rates and times are read as people write them", "[base]") {
  CHECK(*parse_size("4096") == 4096);
  CHECK(*parse_size("0x1000") == 4096);
  CHECK(*parse_size("4k") == 4096);
  CHECK(*parse_size("4KiB") == 4096);
  CHECK(*parse_size("1.5G") == 1536ull << 20);
  CHECK(*parse_size("0") == 0);
  CHECK(*parse_rate("100M/s") == 100u << 20);
  CHECK(*parse_rate("100M") == 100u << 20);
  CHECK(parse_duration("250ms")->count() == 250);
  CHECK(parse_duration("30s")->count() == 30000);
  CHECK(parse_duration("2min")->count() == 120000);
  CHECK(parse_duration("1.5")->count() == 1500);
  for (const char* bad : {"", "k", "1KB", "-1", "1x", "0xg", "99999999999T", "nan", "1 G"}) {
    INFO(bad);
    CHECK_FALSE(parse_size(bad));
  }
  for (const char* bad : {"", "s", "5years", "-3s"}) {
    INFO(bad);
    CHECK_FALSE(parse_duration(bad));
  }
  CHECK(parse_size("1KB").error().code == Errc::Usage);
}

TEST_CASE("sizes and times are exact to the last byte", "[base]") {
  CHECK(*parse_size("9007199254740993") == 9007199254740993);  // 2^53 + 1
  CHECK(*parse_size("0x20000000000001") == 0x20000000000001);
  CHECK(*parse_size("9223372036854775807") == 9223372036854775807);
  CHECK(*parse_size("0x7fffffffffffffff") == 0x7fffffffffffffff);
  CHECK(*parse_rate("9007199254740993/s") == 9007199254740993);
  CHECK(*parse_size("7.9999999999999999999E") == 9223372036854775807);
  CHECK(*parse_size("0.1K") == 102);
  CHECK(*parse_size(".5K") == 512);
  CHECK(*parse_size("5.K") == 5120);
  CHECK(*parse_size("4.0009765625M") == (4u << 20) + 1024);
  CHECK(parse_duration("0.0015s")->count() == 1);
  CHECK(parse_duration("1.1h")->count() == 3'960'000);
  for (const char* bad :
       {"9223372036854775808", "0x8000000000000000", "8E", "18446744073709551616",
        "99999999999999999999999", "8589934592G", ".", ".K", "1e3", "+1", "inf"}) {
    INFO(bad);
    CHECK_FALSE(parse_size(bad));
  }
  CHECK(parse_size("8E").error().message == "'8E' is too large a size");
  CHECK_FALSE(parse_duration("99999999999999999h"));
}

TEST_CASE("sizes and times are printed for people", "[base]") {
  CHECK(format_size(12) == "12 bytes");
  CHECK(format_size(1536) == "1.50 KiB");
  CHECK(format_size(2ull << 30) == "2.00 GiB");
  CHECK(format_size(1000 * 1024) == "0.98 MiB");
  CHECK(format_duration(std::chrono::seconds(7)) == "0:07");
  CHECK(format_duration(std::chrono::seconds(7390)) == "2:03:10");
}

TEST_CASE("untrusted text cannot reach a terminal unescaped", "[base]") {
  CHECK(escape("pc.ram") == "pc.ram");
  CHECK(escape("a\x1b[2Jb\n") == "a\\x1b[2Jb\\x0a");
  CHECK(escape("back\\slash") == "back\\\\slash");
  CHECK(escape("gr\xc3\xbc\xc3\x9f") == "gr\xc3\xbc\xc3\x9f");
  CHECK(escape("\xff\xc3") == "\\xff\\xc3");
  CHECK(escape("\xc2\x9b") == "\\xc2\\x9b");           // a control character of C1
  CHECK(escape("\xe2\x80\xae") == "\\xe2\\x80\\xae");  // right-to-left override
  CHECK(escape("\xed\xa0\x80") == "\\xed\\xa0\\x80");  // a surrogate
  CHECK(escape(std::string_view("\0", 1)) == "\\x00");
}

TEST_CASE("SHA-256 gives the published digests", "[base]") {
  Sha256 empty;
  CHECK(empty.finish() == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  Sha256 pieces;
  pieces.update(bytes_of("a"));
  pieces.update(bytes_of("bc"));
  CHECK(pieces.finish() == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

TEST_CASE("a cancellation is seen by poll and stays", "[base]") {
  auto cancellation = Cancellation::create();
  REQUIRE(cancellation);
  CHECK_FALSE(cancellation->requested());
  std::thread([&] { cancellation->request(); }).join();
  CHECK(cancellation->requested());
  pollfd waiting{cancellation->descriptor(), POLLIN, 0};
  CHECK(::poll(&waiting, 1, 0) == 1);
}

TEST_CASE("an error tells where it happened", "[base]") {
  CHECK(describe({Errc::Malformed, "bad", 0x10}) == "offset 0x10: bad");
  CHECK(describe({Errc::Malformed, "bad", {}, 0x20}) == "file offset 0x20: bad");
  CHECK(describe(system_error("open", ENOENT)) == "open: No such file or directory");
}
