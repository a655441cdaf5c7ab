// SPDX-License-Identifier: MIT
#include "state/unmapped.h"

#include "support/catch.h"
#include "support/read_all.h"
#include "support/stream_builder.h"

namespace vmstream {
namespace {

using testing::StreamBuilder;
using Bytes = std::vector<std::byte>;

constexpr uint64_t kPage = 4096;
constexpr size_t kManyPages = 200'000;  // more zero pages than are given at once

Result<Bytes> unmap(std::span<const std::byte> bytes, size_t piece = 1 << 16) {
  auto plain = make_random_memory(bytes);
  auto source = make_unmapped_source(*plain);
  if (!source) return source.error();
  return testing::read_all(**source, piece);
}

StreamBuilder begin(const std::vector<std::string>& capabilities) {
  StreamBuilder stream;
  stream.header().configuration("pc-q35-10.0");
  if (!capabilities.empty()) stream.capabilities(capabilities);
  return std::move(stream.device(1, "early", "abcd").start(2, "ram", 4));
}

// What both forms have behind the memory.
StreamBuilder& end(StreamBuilder& stream) {
  stream.part(2).eos().footer().end(2).eos().footer().device(3, "timer", "tick").eof();
  return stream.vmdesc(testing::make_vmdesc({{"early", 4}, {"timer", 4}}));
}

StreamBuilder mapped_stream() {
  StreamBuilder stream = begin({"mapped-ram"});
  stream.be64((6 * kPage) | 4).mapped_block("pc.ram", {0, 7, 8, 0}).mapped_block("vga", {9, 0});
  return std::move(end(stream.eos().footer()));
}

StreamBuilder sent_stream() {
  StreamBuilder stream = begin({});
  stream.ram_blocks({{"pc.ram", 4 * kPage}, {"vga", 2 * kPage}}).eos().footer();
  stream.part(2).fill_page("pc.ram", 0).page("", kPage, 7).page("", 2 * kPage, 8);
  stream.fill_page("", 3 * kPage).page("vga", 0, 9).fill_page("", kPage).eos().footer();
  return std::move(end(stream));
}

}  // namespace

TEST_CASE("a mapped-ram stream becomes one that a pipe can carry", "[unmapped]") {
  auto bytes = unmap(mapped_stream().bytes(), GENERATE(1u, 1u << 16));
  REQUIRE(bytes);
  CHECK(*bytes == sent_stream().bytes());
}

TEST_CASE("any number of absent pages", "[unmapped]") {
  std::vector<uint8_t> pages(kManyPages);
  pages[1] = pages[kManyPages - 2] = 5;
  StreamBuilder stream = begin({"mapped-ram"});
  stream.be64((kManyPages * kPage) | 4).mapped_block("pc.ram", pages).eos().footer();
  auto bytes = unmap(end(stream).bytes());
  REQUIRE(bytes);
  StreamBuilder wanted = begin({});
  wanted.ram_blocks({{"pc.ram", kManyPages * kPage}}).eos().footer();
  wanted.part(2).fill_page("pc.ram", 0).page("", kPage, 5);
  for (size_t page = 2; page < kManyPages - 2; ++page) wanted.fill_page("", page * kPage);
  wanted.page("", (kManyPages - 2) * kPage, 5).fill_page("", (kManyPages - 1) * kPage);
  CHECK(*bytes == end(wanted.eos().footer()).bytes());
}

TEST_CASE("other capabilities stay", "[unmapped]") {
  StreamBuilder stream = begin({"x-ignore-shared", "mapped-ram"});
  stream.be64(4).eos().footer();
  StreamBuilder wanted = begin({"x-ignore-shared"});
  wanted.be64(4).eos().footer().part(2).eos().footer();
  auto bytes = unmap(end(stream).bytes());
  REQUIRE(bytes);
  CHECK(*bytes == end(wanted).bytes());
}

TEST_CASE("a mapped-ram stream is known by its configuration", "[unmapped]") {
  auto check = [](const Bytes& bytes) { return is_mapped_ram(*make_random_memory(bytes)); };
  CHECK(check(mapped_stream().bytes()));
  CHECK_FALSE(check(sent_stream().bytes()));
  CHECK_FALSE(check(begin({"x-ignore-shared"}).bytes()));
  CHECK_FALSE(check({}));
  CHECK_FALSE(check(Bytes(100)));
}

TEST_CASE("a mapped-ram stream that is cut gives nothing", "[unmapped]") {
  auto bytes = mapped_stream().bytes();
  for (size_t length = 0; length < bytes.size(); length += 97) {
    auto cut = unmap(std::span(bytes).first(length));
    REQUIRE_FALSE(cut);
    bool is_fault = cut.error().code == Errc::Truncated || cut.error().code == Errc::Malformed;
    CHECK(is_fault);
  }
}

}  // namespace vmstream
