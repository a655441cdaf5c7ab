// SPDX-License-Identifier: MIT
#include <vmstream/state_index.h>

#include "state/index_tables.h"
#include "state/table_coding.h"
#include "support/catch.h"

namespace vmstream {
namespace {

StateIndex sample() {
  StateIndex index;
  StateFacts& facts = index.facts;
  facts.plain_bytes = facts.stream_bytes = 1u << 30;
  facts.sha256 = "abc";
  facts.complete = true;
  facts.stream_version = 3;
  facts.machine = "pc-q35-7.2";
  facts.target_page_size = 4096;
  facts.ram_version = 4;
  facts.ram_bytes = 1u << 20;
  facts.blocks.push_back({.block = {.name = "pc.ram", .used_length = 1u << 20, .offset = 77},
                          .records = {6, 2, 13, 4, 5},
                          .account = PageAccount{.sent = 17, .absent = 239}});
  facts.blocks.push_back({.block = {.name = "odd\xff\n",
                                    .used_length = 8192,
                                    .offset = 99,
                                    .page_size = 1u << 21,
                                    .guest_address = 0,
                                    .mapped = MappedRam{4096, 8192, 1u << 20}}});
  facts.passes = {{10, 20, 0.5}, {1, 2, 0}};
  facts.capture = {.mode = "stop",
                   .time = "2026-11-21T03:55:00Z",
                   .qemu_version = "7.2",
                   .run_state = "running",
                   .command_line = "qemu -m 1G",
                   .vmstream_version = "0.1.0",
                   .disks = {{.device = "virtio0",
                              .base = "/d/a.qcow2",
                              .base_format = "qcow2",
                              .base_node = "#block1",
                              .overlay = "/d/b.qcow2",
                              .overlay_node = "vmstream-0",
                              .argument = "-drive file=/img/a,format=raw,if=ide",
                              .base_time = "2026-11-21T03:55:00.000000001Z"}}};
  facts.left_out = {"nothing: really"};
  index.records = {{.type = SectionType::Configuration, .offset = 8, .length = 30},
                   {.type = SectionType::Start,
                    .offset = 38,
                    .length = 100,
                    .section_id = 2,
                    .idstr = "ram",
                    .version_id = 4,
                    .body_length = 70,
                    .footer = true},
                   {.type = SectionType::Part,
                    .offset = 138,
                    .length = 18,
                    .count = 40000,
                    .section_id = 2,
                    .idstr = "ram",
                    .version_id = 4,
                    .body_length = 8,
                    .footer = true,
                    .bounded_by = BoundedBy::Footer,
                    .page_records = 3},
                   {.type = SectionType::Command,
                    .offset = 800000,
                    .length = 9,
                    .command = CommandType::Packaged},
                   {.type = SectionType::Full,
                    .offset = 800009,
                    .length = 50,
                    .section_id = 3,
                    .idstr = "timer",
                    .instance_id = 1,
                    .version_id = 2,
                    .body_length = 24,
                    .bounded_by = BoundedBy::Vmdesc,
                    .packaged = true},
                   {.type = SectionType::Eof, .offset = 800059, .length = 1}};
  std::vector<PageRuns> blocks(2);
  blocks[0] = {{0, 10, 4104, PagePlace(PageKind::Data, 0, 200)},
               {10, 1, 9, PagePlace(PageKind::Fill, 0xaa, 50000)},
               {20, 5, 9, PagePlace(PageKind::Zero, 0, 300)},
               {30, 1, 100, PagePlace(PageKind::Xbzrle, 0, 60000)}};
  index.pages = PageMap(4096, std::move(blocks),
                        {{55000, PagePlace(PageKind::Fill, 3, 40000)},
                         {60000, PagePlace(PageKind::Xbzrle, 0, 55000)}});
  index.domain_xml = "<domain type='kvm'>\xff</domain>\n";
  return index;
}

Bytes serialised(const StateIndex& index, const BlockTable* blocks = nullptr) {
  auto bytes = serialise(index, {.blocks = blocks});
  REQUIRE(bytes);
  return *bytes;
}

// Everything that can be read, or the first error.
Result<StateIndex> read_all(std::span<const std::byte> bytes) {
  auto source = make_random_memory(bytes);
  auto reader = IndexReader::open(*source);
  if (!reader) return reader.error();
  if (auto blocks = reader->read_blocks(); !blocks) return blocks.error();
  return reader->read();
}

TEST_CASE("an index is read as it was written", "[state]") {
  StateIndex index = sample();
  auto read = read_all(serialised(index));
  REQUIRE(read);
  CHECK(write_facts(read->facts) == write_facts(index.facts));
  CHECK(read->facts.blocks[1].block.name == "odd\xff\n");
  CHECK(read->facts.blocks[1].block.mapped->pages_offset == 1u << 20);
  CHECK(read->facts.blocks[0].records_of(PageKind::Data) == 13);
  CHECK(read->facts.blocks[0].account == PageAccount{.sent = 17, .absent = 239});
  CHECK(read->facts.capture == index.facts.capture);
  CHECK(read->facts.passes == index.facts.passes);
  CHECK(read->records == index.records);
  CHECK(read->pages == index.pages);
  CHECK(read->domain_xml == index.domain_xml);
}

TEST_CASE("tables that were given up are not there", "[state]") {
  StateIndex index = sample();
  index.records.reset();
  index.pages.reset();
  index.domain_xml.reset();
  auto read = read_all(serialised(index));
  REQUIRE(read);
  CHECK_FALSE(read->records);
  CHECK_FALSE(read->pages);
  CHECK_FALSE(read->domain_xml);
}

TEST_CASE("a domain's description is text of a bounded size", "[state]") {
  StateIndex index = sample();
  index.domain_xml = std::string("<domain/>\0<other/>", 18);
  auto read = read_all(serialised(index));
  REQUIRE_FALSE(read);
  CHECK(read.error().message == "index: part 'domain' has a NUL at 9");
  index.domain_xml = std::string(IndexReader::kMostDomainBytes + 1, 'x');
  read = read_all(serialised(index));
  REQUIRE(read);
  CHECK_FALSE(read->domain_xml);  // its writer leaves it out
}

TEST_CASE("an index may hold the table of compressed blocks", "[state]") {
  BlockTable table;
  REQUIRE(table.append_gap(5));
  for (uint32_t i = 0; i < 100; ++i) REQUIRE(table.append(1u << 20, 1000 + i * 7 % 13));
  REQUIRE(table.append(0, 20));
  REQUIRE(table.append(17, 9));
  REQUIRE(table.append_gap(3));
  Bytes bytes = serialised(sample(), &table);
  auto source = make_random_memory(bytes);
  auto reader = IndexReader::open(*source);
  REQUIRE(reader);
  auto read = reader->read_blocks();
  REQUIRE(read);
  REQUIRE(*read);
  REQUIRE((*read)->size() == table.size());
  CHECK((*read)->plain_length() == table.plain_length());
  CHECK((*read)->file_length() == table.file_length());
  for (size_t i = 0; i < table.size(); ++i) {
    CHECK((**read)[i].file_offset == table[i].file_offset);
    CHECK((**read)[i].plain_length == table[i].plain_length);
    CHECK((**read)[i].packed_length == table[i].packed_length);
  }
}

TEST_CASE("every flipped bit of an index is noticed", "[state]") {
  Bytes good = serialised(sample());
  for (size_t bit = 0; bit < 8 * good.size(); ++bit) {
    Bytes bytes = good;
    bytes[bit / 8] ^= static_cast<std::byte>(1 << bit % 8);
    auto read = read_all(bytes);
    INFO("bit " << bit);
    REQUIRE_FALSE(read);
    CHECK(read.error().message.starts_with("index: "));
  }
}

TEST_CASE("an index cut at either end is noticed", "[state]") {
  Bytes good = serialised(sample());
  for (size_t length = 0; length < good.size(); ++length) {
    CHECK_FALSE(read_all(std::span(good).first(length)));
    CHECK_FALSE(read_all(std::span(good).last(length)));
  }
}

TEST_CASE("unknown members of the facts are ignored", "[state]") {
  auto parse = [](std::string_view text) { return parse_facts(std::as_bytes(std::span(text))); };
  auto facts = parse(R"({"plain_bytes": 5, "novel": [1, {"a": 2}], "machine": 7, "passes": {}})");
  REQUIRE(facts);
  CHECK(facts->plain_bytes == 5);
  CHECK(facts->machine.empty());
  CHECK_FALSE(parse("[]"));
  CHECK_FALSE(parse("{}"));
  CHECK_FALSE(parse("{\"plain_bytes\": -1}"));
  CHECK_FALSE(parse("{\"plain_bytes\": 1"));
}

std::string records_error(TableWriter& out) {
  auto records = parse_records(out.take());
  REQUIRE_FALSE(records);
  return records.error().message;
}

TEST_CASE("tables that lie are refused", "[state]") {
  TableWriter out;
  SECTION("more entries than bytes") {
    out.number(1000000);
    out.number(0);
    CHECK(records_error(out) == "index: part 'sections' counts 1000000 entries in 1 bytes");
  }
  SECTION("a record of no known type") {
    out.number(1);
    for (int byte : {0x7e, 0, 1, 1}) out.byte(static_cast<uint8_t>(byte));
    CHECK(records_error(out) == "index: part 'sections' holds a record of no known type");
  }
  SECTION("offsets that overflow") {
    out.number(1);
    out.byte(0);
    out.byte(0);
    out.number(UINT64_MAX);
    out.number(1);
    CHECK(records_error(out) == "index: part 'sections' holds offsets of more than 64 bits");
  }
  SECTION("a number without an end") {
    for (int i = 0; i < 11; ++i) out.byte(0xff);
    CHECK(records_error(out) == "index: part 'sections' holds a number of more than 64 bits");
  }
  SECTION("bytes behind the last entry") {
    out.number(0);
    out.byte(0);
    CHECK(records_error(out) == "index: part 'sections' has 1 bytes too many");
  }
}

std::string pages_error(TableWriter& pages, TableWriter deltas = {}) {
  auto map = parse_pages(pages.take(), deltas.take());
  REQUIRE_FALSE(map);
  return map.error().message;
}

// One block with one run.
TableWriter run_of(uint64_t page, uint64_t count_and_kind, uint64_t offset, uint64_t stride) {
  TableWriter out;
  for (uint64_t value : {uint64_t{4096}, uint64_t{1}, uint64_t{1}, page, count_and_kind}) {
    out.number(value);
  }
  out.difference(offset, 0);
  out.difference(stride, 0);
  return out;
}

TEST_CASE("runs of pages that cannot be are refused", "[state]") {
  constexpr uint64_t kOneData = 1 << 3 | 2;
  CHECK(parse_pages(run_of(0, kOneData, 100, 4104).take(), {}));
  std::vector<TableWriter> bad = {
      run_of(0, 2, 100, 4104),                        // no page
      run_of(0, uint64_t{1} << 36 | 2, 100, 4104),    // too many
      run_of(0, kOneData, 0, 4104),                   // no place
      run_of(0, kOneData, 100, uint64_t{1} << 33),    // too far apart
      run_of(uint64_t{1} << 56, kOneData, 100, 4104)  // behind all memory
  };
  for (TableWriter& out : bad) {
    CHECK(pages_error(out) == "index: part 'pages' holds a run of pages that cannot be");
  }
  TableWriter unknown = run_of(0, 1 << 3 | 7, 100, 4104);
  CHECK(pages_error(unknown) == "index: part 'pages' holds a page of no known kind");
}

TEST_CASE("a delta stands behind what it is applied to", "[state]") {
  TableWriter pages = run_of(0, 1 << 3 | 3, 100, 4104);
  TableWriter deltas;
  deltas.number(1);
  deltas.number(100);
  deltas.byte(3);
  deltas.number(0);  // applied to itself
  CHECK(pages_error(pages, deltas) ==
        "index: part 'deltas' holds a delta that is not behind its page");
}

}  // namespace
}  // namespace vmstream
