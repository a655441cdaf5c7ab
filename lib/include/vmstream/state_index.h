// SPDX-License-Identifier: MIT
// What is worth knowing of a stream without reading it again, and its form as bytes.
// docs/state-file.md gives the bytes.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <vmstream/format.h>
#include <vmstream/page_map.h>
#include <vmstream/random_source.h>
#include <vmstream/result.h>
#include <vmstream/saved_disk.h>

namespace vmstream {

class BlockTable;
struct ResumePoints;

/// Every page of a RAM block, as a page map has them: `sent` and `absent` are all of the block.
struct PageAccount {
  uint64_t sent = 0;    ///< a record of the stream tells of it
  uint64_t absent = 0;  ///< none does
  bool operator==(const PageAccount&) const = default;
};

/// A RAM block of the list, with the number of its page records by kind (a page sent twice counts
/// twice).
struct IndexedBlock {
  RamBlock block = {};
  std::array<uint64_t, 5> records{};  ///< by PageKind
  /// Empty without a page map, and in indexes of makers that do not keep it.
  std::optional<PageAccount> account = std::nullopt;

  uint64_t records_of(PageKind kind) const { return records[static_cast<size_t>(kind)]; }
};

/// One round of the sender over the RAM.
struct IndexedPass {
  uint64_t pages = 0;
  uint64_t bytes = 0;
  double seconds = 0;  ///< 0: unknown
  bool operator==(const IndexedPass&) const = default;
};

/// How a stream was captured. Whatever is unknown is empty. Texts are not escaped.
struct CaptureCircumstances {
  std::string mode = {};  ///< "stop", "live", "background"; "stream" when it arrived by itself
  std::string time = {};  ///< of the capture's start, as 2026-11-21T03:55:00Z; not of "stream"
  std::string qemu_version = {};      ///< as the monitor tells it
  std::string run_state = {};         ///< in which the guest was found, such as "running"
  std::string command_line = {};      ///< QEMU's
  std::string vmstream_version = {};  ///< of the library that made the index
  std::vector<SavedDisk> disks = {};  ///< that belong to the state
  bool operator==(const CaptureCircumstances&) const = default;
};

/// Part "meta": few bytes, whatever the guest's size.
struct StateFacts {
  uint64_t plain_bytes = 0;   ///< length of the plain stream, trailing bytes included
  uint64_t stream_bytes = 0;  ///< without them
  std::string sha256;         ///< of the plain bytes; empty where not computed
  bool complete = false;      ///< the stream parsed to its end, without a gap
  uint32_t stream_version = 0;
  std::string machine;             ///< not escaped; empty without a configuration
  uint32_t target_page_size = 0;   ///< 0: the stream has no pages
  uint32_t ram_version = 0;        ///< of the ram section; 0 without one
  uint64_t ram_bytes = 0;          ///< as the block list sums it up
  uint64_t page_record_bytes = 0;  ///< of the stream, taken by page records
  std::vector<IndexedBlock> blocks;
  std::string page_map_sha256;  ///< of the page map's bytes; empty where no account is kept
  std::vector<IndexedPass> passes;
  bool postcopy = false;
  uint64_t problems = 0;  ///< that the parser reported
  CaptureCircumstances capture;
  /// Parts that the maker gave up, and why: "pages: more than 67108864 bytes".
  std::vector<std::string> left_out;
};

/// A record of the stream, or several of equal form one behind the other.
struct IndexedRecord {
  SectionType type = SectionType::Eof;
  uint64_t offset = 0;
  uint64_t length = 0;  ///< of one record, framing included
  uint64_t count = 1;   ///< the next of them begins where this one ends
  // Sections only.
  uint32_t section_id = 0;
  std::string idstr = {};  ///< not escaped; PART and END have that of their START
  uint32_t instance_id = 0;
  uint32_t version_id = 0;
  uint64_t body_length = 0;
  bool footer = false;
  BoundedBy bounded_by = BoundedBy::Format;
  uint64_t page_records = 0;  ///< in a ram section
  // Commands only; a Packaged one without the records that follow it.
  CommandType command = CommandType::Invalid;
  bool packaged = false;  ///< stands inside of a package

  uint64_t end() const { return offset + length * count; }
  bool operator==(const IndexedRecord&) const = default;
};

/// Part "file", in sidecars: by what the file that the index belongs to is known again.
struct FileMark {
  uint64_t bytes = 0;       ///< length of the file
  uint64_t front_hash = 0;  ///< XXH64 of its first 64 KiB, or of all if it is shorter
  uint64_t back_hash = 0;   ///< of its last 4 MiB, likewise

  static Result<FileMark> of(RandomSource& file);
  bool operator==(const FileMark&) const = default;
};

/// Everything the index holds but the table of compressed blocks. What its maker gave up is empty,
/// and StateFacts::left_out says so.
struct StateIndex {
  StateFacts facts;
  std::optional<std::vector<IndexedRecord>> records = std::nullopt;  ///< in stream order
  std::optional<PageMap> pages = std::nullopt;
  /// Of a guest that libvirt ran: its description by libvirt, as of the save. May hold passwords,
  /// where that was asked for. Not escaped.
  std::optional<std::string> domain_xml = std::nullopt;
};

/// What an index may say of the file besides, each borrowed or null.
struct FileTables {
  const BlockTable* blocks = nullptr;    ///< where the file's own form does not tell it
  const ResumePoints* points = nullptr;  ///< of long gzip members
  const FileMark* mark = nullptr;        ///< where the index is a file of its own
};

/// The index as bytes.
Result<std::vector<std::byte>> serialise(const StateIndex& index, const FileTables& file = {});

/// Reads an index part by part. Nothing in it is trusted: each part has a checksum, each count and
/// size is held against the bytes that are there, tables must be in order. That the index belongs
/// to its file is for the caller to see, by StateFacts and by the framing of what it points at.
class IndexReader {
 public:
  /// Bytes of any kind of index that open() wants to see at its end.
  static constexpr uint64_t kTailBytes = 48;
  static constexpr uint64_t kMostDomainBytes = 16u << 20;
  /// Whether `head` (8 bytes suffice) begins an index.
  static bool recognise(std::span<const std::byte> head);

  /// Reads the directory. `bytes` is borrowed. Errc::Malformed for anything that is no index or is
  /// damaged, Errc::Unsupported for one of a later version.
  static Result<IndexReader> open(RandomSource& bytes);
  IndexReader(IndexReader&&) noexcept;
  ~IndexReader();

  Result<StateFacts> read_facts() const;
  // Empty where the index has no such part.
  Result<std::optional<FileMark>> read_mark() const;
  Result<std::optional<ResumePoints>> read_points() const;
  Result<std::optional<BlockTable>> read_blocks() const;
  Result<std::optional<std::vector<IndexedRecord>>> read_records() const;
  /// Errc::Malformed where the map leaves out pages that the facts count, or has others.
  Result<std::optional<PageMap>> read_pages() const;
  /// Text without a NUL, of at most kMostDomainBytes; whether it is a domain is for libvirt to say.
  Result<std::optional<std::string>> read_domain_xml() const;
  /// All of it.
  Result<StateIndex> read() const;

 private:
  struct State;
  explicit IndexReader(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace vmstream
