// SPDX-License-Identifier: MIT
// The records of a migration stream, as values. docs/format.md and vmstream(5) give the bytes.
//
// An `offset` is always a position in the plain stream. Views (string_view, span) point into the
// parser's window and live for the duration of the event that shows them; owned strings are copies.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace vmstream {

class Vmdesc;

inline constexpr uint32_t kStreamMagic = 0x5145564d;  ///< "QEVM"

/// The byte that opens every record behind the header.
enum class SectionType : uint8_t {
  Eof = 0x00,
  Start = 0x01,
  Part = 0x02,
  End = 0x03,
  Full = 0x04,
  Subsection = 0x05,     ///< only inside bodies
  Vmdescription = 0x06,  ///< only behind Eof
  Configuration = 0x07,  ///< only directly behind the header
  Command = 0x08,
  Footer = 0x7e,  ///< only behind a body
};

/// "start", "part", "end", "full", …: the word used in JSON, tables and messages.
std::string_view name_of(SectionType type);

/// Magic and version. Version 3 is every QEMU since 0.10; version 2 (0.9) gives its length.
struct StreamHeader {
  uint32_t version = 0;
  std::optional<uint64_t> record_bytes = std::nullopt;  ///< version 2: bytes that follow
};

/// What the sender says of itself before any section (QEMU 2.4 and later).
struct Configuration {
  uint64_t offset = 0;
  uint64_t length = 0;  ///< with its subsections
  std::string machine;  ///< versioned machine type, such as "pc-q35-7.2"; not escaped
  std::optional<uint32_t> target_page_bits = std::nullopt;
  std::optional<std::vector<std::string>> capabilities = std::nullopt;
  std::optional<std::array<std::byte, 16>> uuid = std::nullopt;
};

/// The head of a START, PART, END or FULL section. PART and END carry only the id on the wire; the
/// parser fills in the rest from their START.
struct SectionHeader {
  SectionType type = SectionType::Full;
  uint64_t offset = 0;       ///< of the type byte
  uint64_t body_offset = 0;  ///< of the first byte of the body
  uint32_t section_id = 0;
  std::string idstr;  ///< not escaped
  uint32_t instance_id = 0;
  uint32_t version_id = 0;
};

/// How the end of a section's body was found, from certain to inferred.
enum class BoundedBy {
  Format,      ///< the body's own end mark or fixed layout
  Length,      ///< a length on the wire (stream versions 1 and 2)
  Vmdesc,      ///< the field sizes of the stream's description, confirmed by what follows
  Footer,      ///< inferred: a footer that is followed by a plausible record
  NextHeader,  ///< inferred: no footers; the next header in sequence
};
std::string_view name_of(BoundedBy bound);

/// The tail of a section.
struct SectionEnd {
  uint64_t body_length = 0;
  uint64_t end_offset = 0;  ///< first byte behind the section, footer included
  bool footer = false;
  BoundedBy bounded_by = BoundedBy::Format;
};

/// Where a mapped-ram file keeps the pages of a block (QEMU 9.0 and later).
struct MappedRam {
  uint64_t page_size = 0;
  uint64_t bitmap_offset = 0;  ///< absolute in the file
  uint64_t pages_offset = 0;   ///< absolute in the file
  uint32_t version = 1;        ///< of the header; QEMU takes 0 for 1
};

/// A named range of guest memory.
struct RamBlock {
  std::string name;                                      ///< not escaped
  uint64_t used_length = 0;                              ///< bytes
  uint64_t offset = 0;                                   ///< of its entry in the block list
  std::optional<uint64_t> page_size = std::nullopt;      ///< of a huge-page block, postcopy streams
  std::optional<uint64_t> guest_address = std::nullopt;  ///< with x-ignore-shared only
  std::optional<MappedRam> mapped = std::nullopt;
};

/// The block list at the start of the ram section.
struct RamBlockList {
  uint64_t offset = 0;
  uint64_t total_bytes = 0;
  std::vector<RamBlock> blocks;
};

/// What a page record holds.
enum class PageKind { Zero, Fill, Data, Xbzrle, Compressed };
std::string_view name_of(PageKind kind);

/// One page record. `payload` is the page itself (Data), the delta (Xbzrle) or a zlib stream
/// (Compressed); empty otherwise. In a mapped-ram stream each page has its place: there `offset` is
/// that of the place, `payload` shows it for Zero too (stale bytes), and absent pages are Zero; a
/// page that the reader passed over is shown without its payload.
struct Page {
  /// An entry of the list shown last. Null in ram version 3, whose addresses are flat.
  const RamBlock* block = nullptr;
  uint64_t block_offset = 0;  ///< bytes from the start of the block
  PageKind kind = PageKind::Zero;
  uint8_t fill = 0;        ///< the repeated byte of Zero and Fill
  bool continued = false;  ///< the record left out the block's name
  uint32_t size = 0;       ///< bytes of the page; a guess until the stream's first data page
  uint64_t offset = 0;     ///< of the record
  uint64_t payload_offset = 0;
  std::span<const std::byte> payload = {};
};

/// Passes of a sender over the RAM that are told apart at most; a live save of a day has fewer.
/// What comes behind them counts as one.
inline constexpr size_t kMostPasses = 1u << 16;

/// A ram record that is no page.
enum class RamMark { EndOfSlice, MultifdFlush, Hook };

/// A command to the receiver (QEMU 2.5 and later).
enum class CommandType : uint16_t {
  Invalid = 0,
  OpenReturnPath = 1,
  Ping = 2,
  PostcopyAdvise = 3,
  PostcopyListen = 4,
  PostcopyRun = 5,
  PostcopyRamDiscard = 6,
  Packaged = 7,
  EnableColo = 8,
  PostcopyResume = 9,
  RecvBitmap = 10,
  SwitchoverStart = 11,
};
/// The name QEMU gives the command, or "unknown".
std::string_view name_of(CommandType type);

struct Command {
  CommandType type = CommandType::Invalid;
  uint64_t offset = 0;
  std::span<const std::byte> payload = {};
  /// Packaged only: length of the records that follow, which are reported as events of their own.
  std::optional<uint64_t> package_length = std::nullopt;
};

/// The JSON description behind EOF (QEMU 2.3 and later).
struct VmdescRecord {
  uint64_t offset = 0;  ///< of the type byte
  std::string_view json = {};
  /// What `json` says, as far as it can be read. The parser sets it, read once for all visitors:
  /// who needs it longer than the event shares it.
  std::shared_ptr<const Vmdesc> description = nullptr;
};

/// How the pages of a packet of a multifd channel are packed.
enum class MultifdMethod {
  None,    ///< not at all: one page behind the other
  Zlib,    ///< one zlib stream for all packets of a channel, flushed after each
  Zstd,    ///< likewise, one zstd frame
  Qpl,     ///< by Intel's IAA, each page alone
  Uadk,    ///< by Kunpeng's accelerator, each page alone
  Qatzip,  ///< by Intel's QAT, each packet alone
};
/// "none", "zlib", "zstd", "qpl", "uadk", "qatzip": QEMU's own words.
std::string_view name_of(MultifdMethod method);

/// The packet that a multifd channel begins with, at offset 0.
struct MultifdInitial {
  std::array<std::byte, 16> uuid{};  ///< of the guest; zeros where it was given none
  uint8_t channel = 0;               ///< its id: 0 to the number of channels less one
};

}  // namespace vmstream
