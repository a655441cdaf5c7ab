// SPDX-License-Identifier: MIT
#include "guest/restore/stream_guard.h"

#include <algorithm>

#include <vmstream/digest.h>
#include <vmstream/restore.h>
#include <vmstream/writer.h>
#include "support/catch.h"
#include "support/stream_builder.h"

using namespace vmstream;

namespace {

constexpr std::string_view kVmdesc =
    R"({"page_size":4096,"devices":[{"name":"timer","instance_id":0,"vmsd_name":"timer","version":2,)"
    R"("fields":[{"name":"ticks","type":"uint64","size":8}]}]})";

struct Stream {
  std::vector<std::byte> bytes;
  size_t eof = 0;  // offset of the EOF record
};

// One page of RAM, one device, EOF, description.
Stream small_stream() {
  Stream stream;
  auto sink = make_memory_sink(stream.bytes);
  StreamWriter out(*sink);
  std::vector<std::byte> page(4096, std::byte{0x5a});
  RamBlock block{.name = "pc.ram", .used_length = 8192};
  auto require = [](Status status) { REQUIRE(status); };
  require(out.header({.version = 3}));
  require(out.configuration({.machine = "pc-test"}));
  require(
      out.section({.type = SectionType::Start, .section_id = 2, .idstr = "ram", .version_id = 4}));
  require(out.ram_blocks({.total_bytes = 8192, .blocks = {block}}));
  require(out.ram_mark(RamMark::EndOfSlice));
  require(out.footer(2));
  require(out.section({.type = SectionType::End, .section_id = 2, .idstr = {}}));
  require(out.page({.block = &block, .kind = PageKind::Data, .payload = page}));
  require(out.ram_mark(RamMark::EndOfSlice));
  require(out.footer(2));
  require(out.section({.section_id = 3, .idstr = "timer", .version_id = 2}));
  require(out.body(std::span(page).first(8)));
  require(out.footer(3));
  stream.eof = stream.bytes.size();
  require(out.eof());
  require(out.vmdesc(kVmdesc));
  return stream;
}

// Gives `bytes` in pieces of `piece`.
class Pieces final : public ByteSource {
 public:
  Pieces(std::span<const std::byte> bytes, size_t piece) : rest_(bytes), piece_(piece) {}
  Result<size_t> read(std::span<std::byte> into) override {
    size_t count = std::min({into.size(), rest_.size(), piece_});
    std::copy_n(rest_.begin(), count, into.begin());
    rest_ = rest_.subspan(count);
    return count;
  }

 private:
  std::span<const std::byte> rest_;
  size_t piece_;
};

}  // namespace

TEST_CASE("a whole stream passes unchanged in pieces of any size", "[guard]") {
  auto stream = small_stream();
  auto piece = GENERATE(size_t{1}, size_t{7}, size_t{4096}, size_t{1} << 20);
  std::vector<std::byte> passed;
  Pieces source(stream.bytes, piece);
  auto summary = restore_stream(source, *make_memory_sink(passed));
  INFO((summary ? "" : describe(summary.error())));
  REQUIRE(summary);
  CHECK(passed == stream.bytes);
  CHECK(summary->machine == "pc-test");
  CHECK(summary->counts.pages == 1);
}

TEST_CASE("a stream cut anywhere never shows its end", "[guard]") {
  auto stream = small_stream();
  for (size_t length = 0; length < stream.bytes.size();
       length += length < stream.eof - 80 ? 61 : 1) {
    std::vector<std::byte> passed;
    Pieces source(std::span(stream.bytes).first(length), 100);
    auto summary = restore_stream(source, *make_memory_sink(passed));
    CAPTURE(length);
    // All of the guest is there, only its description is not: streams without one are legal.
    if (length == stream.eof + 1) continue;
    REQUIRE_FALSE(summary);
    CHECK(summary.error().code == Errc::Truncated);
    CHECK(passed.size() <= stream.eof);
    CHECK(std::equal(passed.begin(), passed.end(), stream.bytes.begin()));
  }
}

TEST_CASE("the guard holds back only what is not recognised yet", "[guard]") {
  auto stream = small_stream();
  std::vector<std::byte> passed;
  auto sink = make_memory_sink(passed);
  StreamGuard guard(*sink, {.hold_back = HoldBack::End});
  REQUIRE(guard.feed(std::span(stream.bytes).first(stream.eof - 20)));
  CHECK(passed.size() > 4096);
  REQUIRE(guard.feed(std::span(stream.bytes).subspan(stream.eof - 20)));
  CHECK(passed.size() <= stream.eof);
  REQUIRE(guard.finish());
  CHECK(passed == stream.bytes);
}

TEST_CASE("padding behind a stream is dropped, not kept", "[guard]") {
  auto stream = small_stream();
  std::vector<std::byte> passed;
  auto sink = make_memory_sink(passed);
  StreamGuard guard(*sink, {.hold_back = HoldBack::End});
  REQUIRE(guard.feed(stream.bytes));
  std::vector<std::byte> padding(1u << 20);
  for (int i = 0; i < 300; ++i) REQUIRE(guard.feed(padding));
  REQUIRE(guard.finish());
  CHECK(passed == stream.bytes);
  CHECK(guard.trailing_bytes() == 300u << 20);
}

TEST_CASE("where nothing tells where a device ends, a cut may pass for the end", "[guard]") {
  for (bool footers : {false, true}) {
    testing::StreamBuilder stream(footers);
    stream.header().configuration("pc-2.2").start(2, "ram", 4).ram_blocks({{"pc.ram", 4096}});
    stream.eos().footer().end(2).page("pc.ram", 0, 1).eos().footer();
    stream.device(3, "timer", "0123456789").eof();
    std::vector<std::byte> passed;
    auto sink = make_memory_sink(passed);
    StreamGuard guard(*sink, {.hold_back = HoldBack::End});
    REQUIRE(guard.feed(stream.bytes()));
    REQUIRE(guard.finish());
    CHECK(guard.guessed_ends() == !footers);
  }
}

TEST_CASE("the digest is the same beside the stream and inline", "[tap]") {
  auto stream = small_stream();
  stream.bytes.resize(stream.bytes.size() + (6u << 20), std::byte{7});
  Sha256 wanted;
  wanted.update(stream.bytes);
  std::string digest = wanted.finish();
  for (DigestMode mode : {DigestMode::Inline, DigestMode::Beside}) {
    int reports = 0;
    ProgressTap tap(mode, [&](const StreamCounts&) { ++reports; });
    for (auto rest = std::span<const std::byte>(stream.bytes); !rest.empty();) {
      auto piece = rest.first(std::min<size_t>(rest.size(), 100'001));
      REQUIRE(tap.on_bytes(piece));
      rest = rest.subspan(piece.size());
    }
    REQUIRE(tap.finish());
    CHECK(tap.sha256() == digest);
    CHECK(reports >= 2);
  }
}

TEST_CASE("a digest that is given up does not hang", "[tap]") {
  std::vector<std::byte> bytes(4u << 20);
  ProgressTap tap(DigestMode::Beside, {});
  CHECK_FALSE(tap.on_bytes(bytes));  // zeros are no stream
}
