// SPDX-License-Identifier: MIT
// The parts of a report: pictures of pages, PNG files, screens, text that is made harmless.
#include <zlib.h>

#include <string>
#include <vector>

#include "analysis/report/code_page.h"
#include "analysis/report/html.h"
#include "analysis/report/page_pictures.h"
#include "analysis/report/png.h"
#include "analysis/report/screen.h"
#include "support/catch.h"

using namespace vmstream;

namespace {

constexpr uint32_t kPage = 4096;

Page page_of(const RamBlock& block, uint64_t number, const std::vector<std::byte>& bytes) {
  Page page;
  page.block = &block;
  page.block_offset = number * kPage;
  page.kind = PageKind::Data;
  page.size = kPage;
  page.payload = bytes;
  return page;
}

RamBlockList list_of(std::string name, uint64_t pages) {
  RamBlockList list;
  list.total_bytes = pages * kPage;
  list.blocks.resize(1);
  list.blocks[0].name = std::move(name);
  list.blocks[0].used_length = pages * kPage;
  return list;
}

DeviceField bytes_field(std::string_view name, std::span<const std::byte> bytes) {
  DeviceField field;
  field.name = name;
  field.bytes = bytes;
  return field;
}

}  // namespace

TEST_CASE("pages are told apart by what they hold, of several records by the last", "[report]") {
  auto list = list_of("pc.ram", 6);
  const RamBlock& block = list.blocks[0];
  PagePictures pictures;
  REQUIRE(pictures.on_ram_blocks(list));
  std::vector<std::byte> zero(kPage);
  std::vector<std::byte> constant(kPage, std::byte{0xe5});
  std::vector<std::byte> even(kPage);  // all values equally often: 8 bits
  for (size_t i = 0; i < even.size(); ++i) even[i] = static_cast<std::byte>(i);
  std::vector<std::byte> two(kPage);  // two values: 1 bit
  for (size_t i = 0; i < two.size(); i += 2) two[i] = std::byte{1};
  REQUIRE(pictures.on_page(page_of(block, 0, even)));
  REQUIRE(pictures.on_page(page_of(block, 0, zero)));
  REQUIRE(pictures.on_page(page_of(block, 1, constant)));
  REQUIRE(pictures.on_page(page_of(block, 2, even)));
  REQUIRE(pictures.on_page(page_of(block, 3, two)));
  REQUIRE(pictures.on_page(page_of(block, 6, even)));  // past the end
  constexpr uint8_t kOneBit = BlockPages::kData + BlockPages::kSteps / 8;
  CHECK(pictures.blocks()[0].slots ==
        std::vector<uint8_t>{BlockPages::kZero, BlockPages::kConstant, 255, kOneBit + 1, 0, 0});
}

TEST_CASE("a block of any size has a bounded picture", "[report]") {
  auto list = list_of("pc.ram", uint64_t{1} << 50);
  PagePictures pictures;
  REQUIRE(pictures.on_ram_blocks(list));
  std::vector<std::byte> constant(kPage, std::byte{1});
  REQUIRE(pictures.on_page(page_of(list.blocks[0], 12345, constant)));
  const BlockPages& block = pictures.blocks()[0];
  CHECK(block.slots.size() <= PagePictures::kMostSlots);
  Bitmap picture = picture_of_kinds(block);
  CHECK(picture.width == 512);
  CHECK(picture.height == 128);
  CHECK(cell_bytes(block) * picture.width * picture.height == block.size);
}

TEST_CASE("a PNG file holds its pixels row by row", "[report]") {
  Bitmap picture{.width = 2, .height = 2, .palette = {{{1, 2, 3}}, {{4, 5, 6}}}};
  picture.pixels = {0, 1, 1, 0};
  auto file = encode_png(picture);
  std::string text(file.begin(), file.end());
  CHECK(text.starts_with("\x89PNG\r\n\x1a\n"));
  CHECK(text.find("PLTE") != std::string::npos);
  size_t rows = text.find("IDAT") + 4;
  std::vector<uint8_t> plain(6);
  uLongf length = plain.size();
  REQUIRE(uncompress(plain.data(), &length, file.data() + rows, file.size() - rows) == Z_OK);
  CHECK(plain == std::vector<uint8_t>{0, 0, 1, 0, 1, 0});
  picture.pixels.pop_back();
  CHECK(encode_png(picture).empty());
}

TEST_CASE("base64 is padded", "[report]") {
  std::vector<uint8_t> bytes = {'f', 'o', 'o', 'b'};
  CHECK(base64(bytes) == "Zm9vYg==");
  bytes.push_back('a');
  CHECK(base64(bytes) == "Zm9vYmE=");
  CHECK(base64({}).empty());
}

TEST_CASE("text from a stream cannot become a part of the page", "[report]") {
  CHECK(html_text("<a href='x'>&\"\x1b") == "&lt;a href=&#39;x&#39;&gt;&amp;&quot;\\x1b");
}

TEST_CASE("signs of a text screen are those of code page 437", "[report]") {
  CHECK(code_page_437('A') == "A");
  CHECK(code_page_437(0) == " ");
  CHECK(code_page_437(0xe1) == "\xc3\x9f");
  CHECK(code_page_437(0xdb) == "\xe2\x96\x88");
}

TEST_CASE("a text screen is read from its start address, plane by plane", "[report]") {
  std::vector<std::byte> graphics(16), crt(256), memory(4 * 20);
  crt[1] = std::byte{3};      // 4 columns
  crt[0x12] = std::byte{31};  // 32 lines
  crt[9] = std::byte{15};     // of 16 a row
  crt[0xd] = std::byte{2};    // 2 characters in
  crt[0x13] = std::byte{2};   // 16 bytes a row
  for (size_t i = 0; i < 20; ++i) memory[i * 4] = static_cast<std::byte>('a' + i);
  DeviceState state;
  state.fields = {bytes_field("gr", graphics), bytes_field("cr", crt)};
  Screen screen = read_screen(state, memory);
  CHECK(screen.note.empty());
  CHECK(screen.lines == std::vector<std::string>{"cdef", "ghij"});
  CHECK(read_screen(state, {}).lines == std::vector<std::string>{"", ""});
  graphics[6] = std::byte{1};
  CHECK(read_screen(state, memory).note == "this mode is not drawn");
}

TEST_CASE("a linear screen is a picture, whatever its registers say", "[report]") {
  std::vector<std::byte> graphics(16), crt(256), memory(8);
  memory[0] = std::byte{0x10};  // blue
  memory[2] = std::byte{0x30};  // red
  std::vector<std::byte> vbe(20);
  auto set = [&](size_t number, unsigned value) {
    vbe[number * 2] = static_cast<std::byte>(value >> 8);
    vbe[number * 2 + 1] = static_cast<std::byte>(value);
  };
  set(1, 2);
  set(2, 1);
  set(3, 32);
  set(4, 1);
  DeviceField registers = bytes_field("vbe_regs", vbe);
  registers.type = "uint16";
  registers.kind = ValueKind::Unsigned;
  registers.array_len = 10;
  DeviceState state;
  state.fields = {bytes_field("gr", graphics), bytes_field("cr", crt), registers};
  CHECK(read_screen(state, memory).picture.pixels == std::vector<uint8_t>{0x30, 0, 0x10, 0, 0, 0});
  set(1, 0xffff);
  set(2, 0xffff);
  Screen huge = read_screen(state, memory);
  CHECK(huge.picture.pixels.size() < 3 * 2'100'000);
  CHECK(huge.shrunk_by > 1);
  set(3, 4);
  CHECK(read_screen(state, memory).note == "this mode is not drawn");
}
