// SPDX-License-Identifier: MIT
// Migration streams described byte by byte, for tests. Independent of the library's own writer.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace testing {

/// Appends records in the order of the calls. Nothing is checked, so that bad streams can be
/// described as well as good ones.
class StreamBuilder {
 public:
  explicit StreamBuilder(bool footers = true) : footers_(footers) {}

  StreamBuilder& header(uint32_t version = 3);
  StreamBuilder& configuration(std::string_view machine);
  StreamBuilder& capabilities(const std::vector<std::string>& names);  ///< behind configuration()
  StreamBuilder& page_bits(uint32_t bits);                             ///< likewise

  StreamBuilder& start(uint32_t id, std::string_view idstr, uint32_t version = 1);
  StreamBuilder& part(uint32_t id);
  StreamBuilder& end(uint32_t id);
  StreamBuilder& full(uint32_t id, std::string_view idstr, uint32_t instance = 0,
                      uint32_t version = 1);
  /// The footer of the section opened last, in streams that have footers.
  StreamBuilder& footer();
  /// A FULL section with its footer.
  StreamBuilder& device(uint32_t id, std::string_view idstr, std::string_view body,
                        uint32_t instance = 0);

  StreamBuilder& ram_blocks(const std::vector<std::pair<std::string, uint64_t>>& blocks);
  /// An empty name continues the block named last.
  StreamBuilder& page(std::string_view block, uint64_t offset, uint8_t byte, size_t size = 4096);
  StreamBuilder& fill_page(std::string_view block, uint64_t offset, uint8_t byte = 0);
  StreamBuilder& page_head(std::string_view block, uint64_t offset, uint64_t flag);
  /// A block of a mapped-ram stream, its area included: pages of 4096 times a byte, 0 for those
  /// that are absent. The bitmap is in words of the given byte order.
  StreamBuilder& mapped_block(std::string_view name, const std::vector<uint8_t>& pages,
                              std::endian order = std::endian::little);
  StreamBuilder& eos();

  StreamBuilder& command(uint16_t command, std::string_view payload = {});
  /// A PACKAGED command with these records behind it.
  StreamBuilder& package(const StreamBuilder& records);
  StreamBuilder& eof();
  StreamBuilder& vmdesc(std::string_view json);

  StreamBuilder& be8(uint64_t value) { return number(value, 1); }
  StreamBuilder& be16(uint64_t value) { return number(value, 2); }
  StreamBuilder& be32(uint64_t value) { return number(value, 4); }
  StreamBuilder& be64(uint64_t value) { return number(value, 8); }
  StreamBuilder& text(std::string_view text);     ///< as it is
  StreamBuilder& counted(std::string_view text);  ///< behind a length byte
  StreamBuilder& repeat(size_t count, uint8_t byte);

  size_t size() const { return bytes_.size(); }
  /// The bytes so far, for use as a payload.
  std::string as_text() const;
  std::vector<std::byte>& bytes() { return bytes_; }

 private:
  StreamBuilder& number(uint64_t value, int width);

  std::vector<std::byte> bytes_;
  uint32_t section_id_ = 0;
  bool footers_;
};

/// JSON of a description whose devices are one buffer each.
std::string make_vmdesc(const std::vector<std::pair<std::string, uint64_t>>& devices,
                        uint32_t page_size = 4096);

/// A small but complete stream with pages of 1 KiB: configuration, RAM in START, PART and END, two
/// devices, vmdesc.
StreamBuilder small_stream();
std::string small_vmdesc();

/// Payloads of POSTCOPY_ADVISE, and of POSTCOPY_RAM_DISCARD with one range.
std::string advice_payload(uint64_t page_bytes = 4096);
std::string discard_payload(std::string_view block, uint64_t start, uint64_t length);

/// What was recorded of a postcopy migration of a pc, with iterable sections of every harmless
/// kind: memory, discards, a package of devices, the rest of the memory, EOF.
StreamBuilder postcopy_stream();

}  // namespace testing
