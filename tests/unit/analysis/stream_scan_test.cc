// SPDX-License-Identifier: MIT
#include <vmstream/stream_scan.h>

#include <algorithm>
#include <fstream>
#include <string>
#include <vector>

#include <vmstream/partial_reading.h>
#include <vmstream/record_list.h>
#include <vmstream/stream_summary.h>
#include "support/catch.h"
#include "support/stream_builder.h"

using namespace vmstream;
using testing::StreamBuilder;
using Bytes = std::vector<std::byte>;

namespace {

constexpr uint64_t kRamPages = 16;

// Two blocks, several slices, three devices, a description.
StreamBuilder guest(bool footers = true) {
  StreamBuilder stream(footers);
  stream.header().configuration("pc-i440fx-7.2");
  stream.start(2, "ram", 4).ram_blocks({{"pc.ram", kRamPages * 4096}}).eos().footer();
  stream.part(2);
  for (uint64_t i = 0; i < kRamPages; ++i) stream.page("pc.ram", i * 4096, 0x11);
  stream.eos().footer().part(2).eos().footer().end(2).eos().footer();
  stream.device(3, "timer", std::string(24, 't'));
  stream.device(4, "serial", std::string(7, 's'));
  stream.device(5, "serial", std::string(7, 's'), 1);
  stream.eof();
  return stream;
}

std::string description(std::string serial_size = "7") {
  std::string json = R"({"page_size": 4096, "devices": [)";
  auto add = [&](std::string name, int instance, std::string size) {
    json += R"({"name": ")" + name + R"(", "instance_id": )" + std::to_string(instance) +
            R"(, "vmsd_name": ")" + name + R"(", "version": 1, "fields": [{"name": "data", )" +
            R"("type": "buffer", "size": )" + size + "}]}";
  };
  add("timer", 0, "24");
  json += ", ";
  add("serial", 0, serial_size);
  json += ", ";
  add("serial", 1, serial_size);
  return json + "]}";
}

Bytes whole_stream() {
  return guest().vmdesc(description()).bytes();
}

// Gives some bytes, then an error.
class BreakingSource final : public ByteSource {
 public:
  BreakingSource(std::span<const std::byte> bytes, Error error)
      : bytes_(bytes), error_(std::move(error)) {}
  Result<size_t> read(std::span<std::byte> into) override {
    if (bytes_.empty()) return error_;
    size_t count = std::min(into.size(), bytes_.size());
    std::copy_n(bytes_.begin(), count, into.begin());
    bytes_ = bytes_.subspan(count);
    return count;
  }

 private:
  std::span<const std::byte> bytes_;
  Error error_;
};

struct Scan {
  ScanResult result;
  std::vector<StreamRecord> records;
};

Scan scan_records(ByteSource& source) {
  Scan scan;
  RecordLister lister([&](const StreamRecord& record) {
    scan.records.push_back(record);
    return ok();
  });
  scan.result = scan_stream(source, lister);
  REQUIRE(lister.finish(scan.result));
  return scan;
}

Scan scan_records(std::span<const std::byte> bytes) {
  return scan_records(*make_memory_source(bytes));
}

void check_tiling(const Scan& scan, uint64_t length) {
  uint64_t position = 0;
  for (const auto& record : scan.records) {
    CHECK(record.offset == position);
    CHECK(record.length > 0);
    position += record.length;
  }
  CHECK(position == length);
}

StreamSummary summarize(std::span<const std::byte> bytes) {
  SummaryCollector collector;
  auto source = make_memory_source(bytes);
  auto scan = scan_stream(*source, collector);
  return collector.finish(scan);
}

// A file in a folder of its own.

}  // namespace

TEST_CASE("records of a whole stream add up to its length", "[analysis]") {
  auto bytes = whole_stream();
  auto scan = scan_records(bytes);
  CHECK(scan.result.complete());
  CHECK(scan.result.stream_bytes == bytes.size());
  check_tiling(scan, bytes.size());
  for (const auto& record : scan.records) CHECK(record.kind != RecordKind::Unparsed);
}

TEST_CASE("records of a stream cut at any length add up to what is left", "[analysis]") {
  auto bytes = whole_stream();
  size_t without_vmdesc = guest().size();
  for (size_t length = 1; length < bytes.size(); length += length < 200 ? 1 : 37) {
    INFO("cut at " << length);
    auto scan = scan_records(std::span(bytes).first(length));
    CHECK(scan.result.complete() == (length == without_vmdesc));
    check_tiling(scan, length);
  }
}

TEST_CASE("bytes behind a malformed place are counted", "[analysis]") {
  auto bytes = whole_stream();
  size_t place = 8 + 5 + 13;  // the record behind the configuration
  bytes[place] = std::byte{0x66};
  // Nothing that could be told from chance stands behind it.
  bytes.resize(place + 1000);
  auto scan = scan_records(bytes);
  REQUIRE(scan.result.fault);
  CHECK(scan.result.fault->code == Errc::Malformed);
  CHECK(scan.result.plain_bytes == bytes.size());
  check_tiling(scan, bytes.size());
  CHECK(scan.records.back().kind == RecordKind::Unparsed);
  CHECK(scan.records.back().offset == place);
}

TEST_CASE("reading is taken up again behind damage", "[analysis]") {
  auto bytes = whole_stream();
  size_t start = 8 + 5 + 13;                  // of ram
  size_t part = start + 17 + 8 + 15 + 8 + 5;  // its first slice
  size_t page = 8 + 1 + 6 + 4096;             // a page record, named
  size_t timer = guest().size() - 1 - 2 * (20 + 7 + 5) - (19 + 24 + 5);
  size_t gaps = 1;
  SECTION("a start: its footer tells where the next record is") {
    bytes[start] = std::byte{0x66};
  }
  SECTION("the flags of a page: the next page") {
    bytes[part + 5 + 3 * page + 7] = std::byte{0x55};
    auto scan = scan_records(bytes);
    CHECK(scan.result.gaps.at(0).from == part + 5 + 3 * page);
    CHECK(scan.result.gaps.at(0).to == part + 5 + 4 * page);
    CHECK(scan.result.gaps.at(0).in_section);
    auto summary = summarize(bytes);
    CHECK(summary.pages.total() == kRamPages - 1);
  }
  SECTION("the head of a slice: its first pages") {
    bytes[part] = std::byte{0x66};
    CHECK(summarize(bytes).pages.total() == kRamPages);
  }
  SECTION("the footer of a slice") {
    bytes[timer - 5] = std::byte{0x55};
    CHECK(summarize(bytes).devices.size() == 3);
  }
  SECTION("the type of a device: the head of the next") {
    bytes[timer] = std::byte{0x55};
    auto summary = summarize(bytes);
    CHECK(summary.devices.size() == 2);
    CHECK(summary.vmdesc);
  }
  SECTION("the footer of a device: the head of the next") {
    bytes[timer + 19 + 24] = std::byte{0x55};
    CHECK(summarize(bytes).devices.size() == 2);
  }
  SECTION("EOF: the description") {
    bytes[guest().size() - 1] = std::byte{0x55};
    auto summary = summarize(bytes);
    CHECK(summary.devices.size() == 2);  // what EOF bounded is lost with it
    CHECK(summary.vmdesc);
  }
  auto scan = scan_records(bytes);
  CHECK_FALSE(scan.result.complete());
  CHECK_FALSE(scan.result.fault);
  CHECK(scan.result.gap_count == gaps);
  check_tiling(scan, bytes.size());
  CHECK(summarize(bytes).problems.damage() >= gaps);
}

TEST_CASE("ram records are not taken up before a ram section has begun", "[analysis]") {
  Bytes stream = StreamBuilder().header().be8(0x19).be64(0x10).bytes();
  auto source = make_memory_source(stream);
  StreamVisitor nobody;
  auto result = scan_stream(*source, nobody);
  REQUIRE(result.fault);
  CHECK(result.fault->message == "record type is 0x19, wanted 0x00 to 0x04 or 0x08");
}

TEST_CASE("every flipped byte of the framing leaves an account without a gap", "[analysis]") {
  auto bytes = whole_stream();
  for (size_t place = 8; place < bytes.size(); place += place % 64 == 60 ? 600 : 1) {
    auto flipped = bytes;
    flipped[place] ^= std::byte{0x41};
    INFO("flipped at " << place);
    auto scan = scan_records(flipped);
    check_tiling(scan, bytes.size());
  }
}

TEST_CASE("a stream is read the same behind damage, whatever pieces it comes in", "[analysis]") {
  auto bytes = whole_stream();
  bytes[8 + 5 + 13] = std::byte{0x66};
  struct Drip final : ByteSource {
    explicit Drip(std::span<const std::byte> all) : rest(all) {}
    Result<size_t> read(std::span<std::byte> into) override {
      size_t count = std::min<size_t>({into.size(), rest.size(), 13});
      std::copy_n(rest.begin(), count, into.begin());
      rest = rest.subspan(count);
      return count;
    }
    std::span<const std::byte> rest;
  } drip(bytes);
  auto whole = scan_records(bytes);
  auto dripped = scan_records(drip);
  REQUIRE(dripped.records.size() == whole.records.size());
  for (size_t i = 0; i < whole.records.size(); ++i) {
    CHECK(dripped.records[i].offset == whole.records[i].offset);
  }
}

TEST_CASE("a description that cannot be parsed is one problem, not an end", "[analysis]") {
  auto summary = summarize(guest().vmdesc(R"({"devices": [})").bytes());
  CHECK(summary.complete);
  CHECK(summary.vmdesc);
  CHECK(summary.problems.total() == 1);
  CHECK(summary.problems.damage() == 1);
  REQUIRE(summary.devices.size() == 3);
  CHECK_FALSE(summary.devices[0].fields);
}

TEST_CASE("a description that hides elements of an array is a flaw, not damage", "[analysis]") {
  auto description_of = [](std::string css) {
    return R"({"page_size": 4096, "devices": [{"name": "css", "instance_id": 0, )"
           R"("vmsd_name": "css", "version": 1, "fields": [)" +
           css + "]}]}";
  };
  StreamBuilder stream;
  stream.header().start(2, "ram", 4).ram_blocks({{"s390.ram", 4096}}).eos().footer();
  stream.end(2).eos().footer().device(3, "css", std::string(40, 'c')).eof();
  SECTION("the first element is NULL") {
    stream.vmdesc(description_of(
        R"({"name": "css", "array_len": 4, "type": "struct", "struct": {}, "size": 1})"));
    auto summary = summarize(stream.bytes());
    CHECK(summary.problems.total() == 1);
    CHECK(summary.problems.damage() == 0);
    CHECK(summary.devices.at(0).body_length == 40);
  }
  SECTION("any other disagreement") {
    stream.vmdesc(description_of(R"({"name": "css", "type": "buffer", "size": 4})"));
    auto summary = summarize(stream.bytes());
    CHECK(summary.problems.total() == 1);
    CHECK(summary.problems.damage() == 1);
    CHECK(summary.devices.at(0).body_length == 40);
  }
}

TEST_CASE("a source that fails leaves what came before", "[analysis]") {
  auto bytes = whole_stream();
  size_t length = guest().size() - 20;  // in the last device
  BreakingSource source(std::span<const std::byte>(bytes).first(length),
                        Error{Errc::Malformed, "checksum differs", std::nullopt, 77});
  auto scan = scan_records(source);
  REQUIRE(scan.result.fault);
  CHECK(scan.result.fault->message == "checksum differs");
  check_tiling(scan, length);
  SummaryCollector collector;
  BreakingSource again(std::span<const std::byte>(bytes).first(length),
                       Error{Errc::Malformed, "checksum differs"});
  auto result = scan_stream(again, collector);
  auto summary = collector.finish(result);
  CHECK_FALSE(summary.complete);
  CHECK(summary.devices.size() >= 2);
  CHECK(summary.pages.total() == kRamPages);
}

TEST_CASE("a visitor that wants no more ends the scan at once", "[analysis]") {
  struct Impatient final : StreamVisitor {
    Status on_header(const StreamHeader&) override {
      return Error{Errc::Environment, "nobody listens"};
    }
  } visitor;
  auto bytes = whole_stream();
  BreakingSource endless(bytes, Error{Errc::Environment, "read too far"});
  auto result = scan_stream(endless, visitor);
  REQUIRE(result.fault);
  CHECK(result.fault->message == "nobody listens");
}

TEST_CASE("a scan tells progress and digest on the way", "[analysis]") {
  auto bytes = whole_stream();
  StreamVisitor visitor;
  Sha256 digest;
  StreamCounts last;
  auto source = make_memory_source(bytes);
  auto result = scan_stream(
      *source, visitor,
      {.digest = &digest, .on_progress = [&](const StreamCounts& counts) { last = counts; }});
  CHECK(result.complete());
  CHECK(last.stream_bytes == bytes.size());
  CHECK(last.guest_bytes == kRamPages * 4096);
  CHECK(last.page_bytes == kRamPages * 4096);
  CHECK(last.pages == kRamPages);
  Sha256 expected;
  expected.update(bytes);
  CHECK(digest.finish() == expected.finish());
}

TEST_CASE("the two ends tell of the devices what the whole stream tells", "[analysis]") {
  bool footers = GENERATE(true, false);
  auto bytes = guest(footers).vmdesc(description()).bytes();
  auto ends = read_stream_ends(*make_random_memory(bytes));
  REQUIRE(ends);
  CHECK(ends->stream_bytes() == bytes.size());
  CHECK(ends->skipped_bytes() > kRamPages * 4096);
  CHECK(ends->stream_bytes() - ends->skipped_bytes() < 1000);

  SummaryCollector collector;
  auto scan = scan_ends(*ends, collector);
  REQUIRE(scan.complete());
  auto summary = collector.finish(scan);
  auto expected = summarize(bytes);
  CHECK(summary.problems.empty());
  CHECK(summary.stream_bytes == expected.stream_bytes);
  CHECK(summary.ram_bytes == expected.ram_bytes);
  CHECK(summary.blocks.size() == 1);
  CHECK(summary.configuration->machine == "pc-i440fx-7.2");
  CHECK(summary.pages.total() == 0);
  REQUIRE(summary.devices.size() == 3);
  for (size_t i = 0; i < summary.devices.size(); ++i) {
    const auto& device = summary.devices[i];
    CHECK(device.header.idstr == expected.devices[i].header.idstr);
    CHECK(device.header.offset == expected.devices[i].header.offset);
    CHECK(device.header.section_id == expected.devices[i].header.section_id);
    CHECK(device.length == expected.devices[i].length);
    CHECK(device.fields == 1);
    CHECK(device.bounded_by == BoundedBy::Vmdesc);
  }
}

TEST_CASE("ends that do not agree are not used", "[analysis]") {
  auto bytes = whole_stream();
  size_t last_device = guest().size() - 1 - 5 - 7 - 20;  // EOF, footer, body, head
  SECTION("padding behind the description") {
    bytes.resize(bytes.size() + 512);
  }
  SECTION("a cut description") {
    bytes.pop_back();
  }
  SECTION("no description") {
    bytes = guest().bytes();
  }
  SECTION("sizes that lead elsewhere") {
    bytes = guest().vmdesc(description("8")).bytes();
  }
  SECTION("a device of another name") {
    bytes[last_device + 6] = std::byte{'x'};
  }
  SECTION("a device of another instance") {
    bytes[last_device + 15] = std::byte{9};
  }
  SECTION("a section of another type") {
    bytes[last_device] = std::byte{2};
  }
  SECTION("a footer of another section") {
    bytes[guest().size() - 2] = std::byte{9};
  }
  SECTION("other magic") {
    bytes[0] = std::byte{'q'};
  }
  SECTION("nothing") {
    bytes.clear();
  }
  SECTION("a device in front of the slices") {
    StreamBuilder stream;
    stream.header().start(2, "ram", 4).ram_blocks({{"pc.ram", 4096}}).eos().footer();
    stream.device(9, "early", "12").part(2).eos().footer();
    stream.device(3, "timer", "1234").eof();
    bytes = stream.vmdesc(testing::make_vmdesc({{"timer", 4}})).bytes();
  }
  SECTION("pages in front of the slices, beyond what is looked at") {
    StreamBuilder stream;
    stream.header().start(2, "ram", 4).ram_blocks({{"pc.ram", 300 * 4096}});
    for (uint64_t i = 0; i < 300; ++i) stream.page("pc.ram", i * 4096, 0x22);
    stream.eos().footer().end(2).eos().footer().device(3, "timer", "1234").eof();
    bytes = stream.vmdesc(testing::make_vmdesc({{"timer", 4}})).bytes();
  }
  CHECK_FALSE(read_stream_ends(*make_random_memory(bytes)));
}

TEST_CASE("what stands in the ends is judged by the parser", "[analysis]") {
  auto bytes = whole_stream();
  auto ends = read_stream_ends(*make_random_memory(bytes));
  REQUIRE(ends);
  ends->pieces.back().bytes[0] = std::byte{0x66};
  StreamVisitor visitor;
  auto scan = scan_ends(*ends, visitor);
  REQUIRE(scan.fault);
  CHECK(scan.fault->code == Errc::Malformed);
  CHECK(scan.fault->offset == ends->pieces.back().offset);
}

namespace {

// A mapped-ram stream with one page in a thousand, and a device behind it.
StreamBuilder mapped_guest() {
  std::vector<uint8_t> pages(3000);
  for (size_t i = 0; i < pages.size(); i += 1000) pages[i] = 0x11;
  StreamBuilder stream;
  stream.header().configuration("pc").capabilities({"mapped-ram"}).start(2, "ram", 4);
  stream.be64((3001 * 4096) | 4).mapped_block("pc.ram", pages).mapped_block("pc.rom", {0x22});
  stream.eos().footer().part(2).eos().footer().end(2).eos().footer();
  stream.device(3, "timer", "1234").eof().vmdesc(testing::make_vmdesc({{"timer", 4}}));
  return stream;
}

// Counts what is read of it.
class CountingFile final : public RandomSource {
 public:
  explicit CountingFile(std::span<const std::byte> bytes) : bytes_(bytes) {}
  uint64_t read = 0;
  uint64_t length() const override { return bytes_.size(); }
  Status read_at(uint64_t offset, std::span<std::byte> into) override {
    read += into.size();
    return make_random_memory(bytes_)->read_at(offset, into);
  }

 private:
  std::span<const std::byte> bytes_;
};

}  // namespace

TEST_CASE("a mapped-ram file is read by position, with the same outcome", "[analysis]") {
  auto stream = mapped_guest();
  SummaryCollector by_position;
  CountingFile file(stream.bytes());
  auto scan = scan_seekable(file, by_position, {.mapped_pages = MappedPages::Places});
  REQUIRE(scan.complete());
  CHECK(scan.plain_bytes == stream.size());
  CHECK(scan.stream_bytes == stream.size());
  auto summary = by_position.finish(scan);
  auto expected = summarize(stream.bytes());
  CHECK(summary.pages[PageKind::Data] == 4);
  CHECK(summary.pages.total() == expected.pages.total());
  CHECK(summary.devices.size() == expected.devices.size());
  CHECK(file.read < 2'000'000);
  CHECK(stream.size() > 12'000'000);
}

TEST_CASE("what stands behind a stream is counted without being read", "[analysis]") {
  auto stream = mapped_guest();
  uint64_t length = stream.size();
  stream.repeat(16'000'000, 0);
  SummaryCollector collector;
  CountingFile file(stream.bytes());
  auto scan = scan_seekable(file, collector,
                            {.mapped_pages = MappedPages::Places, .trailing_bytes = 1'000'000});
  REQUIRE(scan.complete());
  CHECK(scan.plain_bytes == stream.size());
  CHECK(scan.stream_bytes == length);
  CHECK(collector.finish(scan).trailing_bytes == 16'000'000);
  CHECK(file.read < 4'000'000);
}

TEST_CASE("a digest takes in every byte of a mapped-ram file", "[analysis]") {
  auto stream = mapped_guest();
  StreamVisitor visitor;
  Sha256 digest;
  CountingFile file(stream.bytes());
  CHECK(scan_seekable(file, visitor, {.digest = &digest}).complete());
  Sha256 expected;
  expected.update(stream.bytes());
  CHECK(digest.finish() == expected.finish());
}

TEST_CASE("the ends of a mapped-ram file leave its pages out", "[analysis]") {
  auto stream = mapped_guest();
  auto ends = read_stream_ends(*make_random_memory(stream.bytes()));
  REQUIRE(ends);
  CHECK(ends->stream_bytes() - ends->skipped_bytes() < 100'000);
  SummaryCollector collector;
  auto scan = scan_ends(*ends, collector);
  REQUIRE(scan.complete());
  auto summary = collector.finish(scan);
  CHECK(summary.blocks.size() == 2);
  CHECK(summary.devices.size() == 1);
  CHECK(summary.problems.empty());
}

TEST_CASE("a mapped-ram file that is cut anywhere has a fault by position too", "[analysis]") {
  auto stream = mapped_guest();
  for (size_t length = 1; length < stream.size(); length += 250'007) {
    auto cut = std::span<const std::byte>(stream.bytes()).first(length);
    StreamVisitor visitor;
    CountingFile file(cut);
    auto scan = scan_seekable(file, visitor);
    REQUIRE_FALSE(scan.complete());
    CHECK(scan.plain_bytes == length);
    CHECK_FALSE(read_stream_ends(*make_random_memory(cut)));
  }
}
