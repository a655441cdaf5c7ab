// SPDX-License-Identifier: MIT
#include "support/stream_builder.h"

#include <fmt/format.h>

namespace testing {

StreamBuilder& StreamBuilder::number(uint64_t value, int width) {
  for (int i = width; i-- > 0;) bytes_.push_back(static_cast<std::byte>(value >> (8 * i)));
  return *this;
}

StreamBuilder& StreamBuilder::text(std::string_view text) {
  for (char c : text) bytes_.push_back(static_cast<std::byte>(c));
  return *this;
}

StreamBuilder& StreamBuilder::counted(std::string_view name) {
  return be8(name.size()).text(name);
}

StreamBuilder& StreamBuilder::repeat(size_t count, uint8_t byte) {
  bytes_.insert(bytes_.end(), count, std::byte{byte});
  return *this;
}

StreamBuilder& StreamBuilder::header(uint32_t version) {
  return text("QEVM").be32(version);
}

StreamBuilder& StreamBuilder::configuration(std::string_view machine) {
  return be8(7).be32(machine.size()).text(machine);
}

StreamBuilder& StreamBuilder::capabilities(const std::vector<std::string>& names) {
  be8(5).counted("configuration/capabilities").be32(1).be32(names.size());
  for (const auto& name : names) counted(name);
  return *this;
}

StreamBuilder& StreamBuilder::page_bits(uint32_t bits) {
  return be8(5).counted("configuration/target-page-bits").be32(1).be32(bits);
}

StreamBuilder& StreamBuilder::start(uint32_t id, std::string_view idstr, uint32_t version) {
  section_id_ = id;
  return be8(1).be32(id).counted(idstr).be32(0).be32(version);
}

StreamBuilder& StreamBuilder::part(uint32_t id) {
  section_id_ = id;
  return be8(2).be32(id);
}

StreamBuilder& StreamBuilder::end(uint32_t id) {
  section_id_ = id;
  return be8(3).be32(id);
}

StreamBuilder& StreamBuilder::full(uint32_t id, std::string_view idstr, uint32_t instance,
                                   uint32_t version) {
  section_id_ = id;
  return be8(4).be32(id).counted(idstr).be32(instance).be32(version);
}

StreamBuilder& StreamBuilder::footer() {
  return footers_ ? be8(0x7e).be32(section_id_) : *this;
}

StreamBuilder& StreamBuilder::device(uint32_t id, std::string_view idstr, std::string_view body,
                                     uint32_t instance) {
  return full(id, idstr, instance).text(body).footer();
}

StreamBuilder& StreamBuilder::ram_blocks(
    const std::vector<std::pair<std::string, uint64_t>>& blocks) {
  uint64_t total = 0;
  for (const auto& block : blocks) total += block.second;
  be64(total | 0x004);
  for (const auto& [name, length] : blocks) counted(name).be64(length);
  return *this;
}

StreamBuilder& StreamBuilder::mapped_block(std::string_view name, const std::vector<uint8_t>& pages,
                                           std::endian order) {
  constexpr size_t kPage = 4096;
  constexpr size_t kGap = 100;
  std::vector<uint64_t> words((pages.size() + 63) / 64);
  for (size_t i = 0; i < pages.size(); ++i) {
    if (pages[i] != 0) words[i / 64] |= uint64_t{1} << (i % 64);
  }
  counted(name).be64(pages.size() * kPage).be32(1).be64(kPage);
  uint64_t bitmap = size() + 16;
  be64(bitmap).be64(bitmap + 8 * words.size() + kGap);
  for (uint64_t word : words) be64(order == std::endian::big ? word : __builtin_bswap64(word));
  repeat(kGap, 0);
  for (uint8_t page : pages) repeat(kPage, page);
  return *this;
}

StreamBuilder& StreamBuilder::page_head(std::string_view block, uint64_t offset, uint64_t flag) {
  if (block.empty()) return be64(offset | flag | 0x020);
  return be64(offset | flag).counted(block);
}

StreamBuilder& StreamBuilder::page(std::string_view block, uint64_t offset, uint8_t byte,
                                   size_t size) {
  return page_head(block, offset, 0x008).repeat(size, byte);
}

StreamBuilder& StreamBuilder::fill_page(std::string_view block, uint64_t offset, uint8_t byte) {
  return page_head(block, offset, 0x002).be8(byte);
}

StreamBuilder& StreamBuilder::eos() {
  return be64(0x010);
}

StreamBuilder& StreamBuilder::command(uint16_t command, std::string_view payload) {
  return be8(8).be16(command).be16(payload.size()).text(payload);
}

StreamBuilder& StreamBuilder::package(const StreamBuilder& records) {
  return command(7, StreamBuilder().be32(records.size()).as_text()).text(records.as_text());
}

std::string StreamBuilder::as_text() const {
  return {reinterpret_cast<const char*>(bytes_.data()), bytes_.size()};
}

StreamBuilder& StreamBuilder::eof() {
  return be8(0);
}

StreamBuilder& StreamBuilder::vmdesc(std::string_view json) {
  return be8(6).be32(json.size()).text(json);
}

std::string make_vmdesc(const std::vector<std::pair<std::string, uint64_t>>& devices,
                        uint32_t page_size) {
  std::string list;
  for (const auto& [name, size] : devices) {
    list += fmt::format(R"({}{{"name": "{}", "instance_id": 0, "size": {}, "fields": [)"
                        R"({{"name": "data", "size": {}, "type": "buffer"}}]}})",
                        list.empty() ? "" : ", ", name, size, size);
  }
  return fmt::format(R"({{"page_size": {}, "devices": [{}]}})", page_size, list);
}

StreamBuilder small_stream() {
  constexpr uint32_t kPageBits = 10;
  constexpr size_t kPage = 1 << kPageBits;
  StreamBuilder stream;
  stream.header().configuration("virt-7.2").page_bits(kPageBits);
  stream.start(2, "ram", 4).ram_blocks({{"pc.ram", 0x4000}, {"pc.bios", 0x1000}}).eos().footer();
  stream.part(2).page("pc.ram", 0, 0xaa, kPage).fill_page("", 0x1000);
  stream.page("pc.bios", 0, 0xbb, kPage).eos().footer();
  stream.end(2).page("pc.ram", 0x2000, 0xcc, kPage).eos().footer();
  stream.device(3, "timer", "0123456789").device(5, "0000:00:02.0/vga", "VGA");
  stream.eof().vmdesc(small_vmdesc());
  return stream;
}

std::string small_vmdesc() {
  return make_vmdesc({{"timer", 10}, {"0000:00:02.0/vga", 3}}, 1024);
}

std::string advice_payload(uint64_t page_bytes) {
  return StreamBuilder().be64(0x201000).be64(page_bytes).as_text();
}

std::string discard_payload(std::string_view block, uint64_t start, uint64_t length) {
  return StreamBuilder().be8(0).counted(block).be8(0).be64(start).be64(length).as_text();
}

StreamBuilder postcopy_stream() {
  constexpr uint16_t kOpenReturnPath = 1, kPing = 2, kAdvise = 3, kListen = 4, kRun = 5,
                     kDiscard = 6, kSwitchover = 11;
  auto number = [](uint64_t value) { return StreamBuilder().be32(value).as_text(); };
  StreamBuilder stream;
  stream.header().configuration("pc-i440fx-7.2");
  stream.command(kOpenReturnPath).command(kPing, number(1)).command(kAdvise, advice_payload());
  stream.start(1, "dirty-bitmap").be8(1).footer();
  stream.start(3, "block").be64(2).footer();
  stream.start(2, "ram", 4).ram_blocks({{"pc.ram", 0x8000}}).eos().footer();
  stream.part(3).be64(50 << 9 | 4).be64(2).footer();
  stream.part(2).page("pc.ram", 0, 0x11).page("", 0x2000, 0x22).eos().footer();
  stream.command(kSwitchover).end(3).be64(2).footer();
  stream.command(kDiscard, discard_payload("pc.ram", 0, 0x2000)).command(kPing, number(2));
  StreamBuilder inner;
  inner.command(kListen).device(5, "timer", "0123456789").device(6, "cpu", "abc");
  stream.package(inner.command(kPing, number(3)).command(kRun));
  stream.end(1).be8(1).footer();
  stream.end(2).page("pc.ram", 0, 0x33).fill_page("", 0x1000).eos().footer();
  return stream.eof();
}

}  // namespace testing
