// SPDX-License-Identifier: MIT
// The frame of an index: magic, parts, directory, tail. docs/state-file.md explains.
#include <vmstream/state_index.h>

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <string_view>
#include <utility>

#include <vmstream/text.h>
#include "base/hash.h"
#include "codec/gzip/resume_points.h"
#include "state/index_tables.h"
#include "state/page_account.h"
#include "state/table_coding.h"

namespace vmstream {
namespace {

using namespace std::string_view_literals;

constexpr auto kMagic = "VMSTRIDX"sv;
constexpr uint64_t kVersion = 1;
constexpr uint64_t kMostDirectoryBytes = 1u << 20;
constexpr std::string_view kDirectory = "directory";
constexpr std::string_view kTail = "tail";

struct Part {
  std::string name;
  uint64_t offset = 0;  // from the magic at the front
  uint64_t length = 0;
  uint64_t checksum = 0;
};

std::span<const std::byte> as_bytes(std::string_view text) {
  return std::as_bytes(std::span(text));
}

Error malformed(std::string message) {
  return Error{Errc::Malformed, "index: " + std::move(message)};
}

// Collects the parts in front of the directory.
class IndexWriter {
 public:
  IndexWriter() { out_.bytes(as_bytes(kMagic)); }

  void add(std::string_view name, const Bytes& bytes) {
    parts_.push_back({std::string(name), out_.size(), bytes.size(), xxh64(bytes)});
    out_.bytes(bytes);
  }

  Bytes finish() {
    TableWriter directory;
    directory.number(parts_.size());
    for (const Part& part : parts_) {
      directory.text(part.name);
      directory.number(part.offset);
      directory.number(part.length);
      directory.le64(part.checksum);
    }
    uint64_t offset = out_.size();
    Bytes bytes = directory.take();
    out_.bytes(bytes);
    TableWriter tail;
    tail.le64(offset);
    tail.le64(bytes.size());
    tail.le64(xxh64(bytes));
    tail.le64(kVersion);
    Bytes tail_bytes = tail.take();
    out_.bytes(tail_bytes);
    out_.le64(xxh64(tail_bytes));
    out_.bytes(as_bytes(kMagic));
    return out_.take();
  }

 private:
  TableWriter out_;
  std::vector<Part> parts_;
};

Result<Bytes> read_piece(RandomSource& index, uint64_t offset, uint64_t length, uint64_t checksum,
                         std::string_view name) {
  Bytes bytes(static_cast<size_t>(length));
  if (auto read = index.read_at(offset, bytes); !read) return read.error();
  if (uint64_t found = xxh64(bytes); found != checksum) {
    return malformed(fmt::format("part '{}' has checksum {:016x}, wanted {:016x}", escape(name),
                                 found, checksum));
  }
  return bytes;
}

Result<std::vector<Part>> parse_directory(std::span<const std::byte> bytes, uint64_t end) {
  TableReader in(kDirectory, bytes);
  std::vector<Part> parts(in.count(11));
  for (Part& part : parts) {
    part.name = in.text();
    part.offset = in.number_up_to(end, "the offset of a part");
    part.length = in.number_up_to(end - part.offset, "the length of a part");
    part.checksum = in.le64();
  }
  in.expect_end();
  if (!in.ok()) return in.error();
  return parts;
}

// From outside, and to be handed to libvirt, which takes it for a C string.
Result<std::string> parse_domain_xml(std::span<const std::byte> bytes) {
  std::string xml(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  if (xml.size() > IndexReader::kMostDomainBytes) {
    return malformed(fmt::format("part 'domain' has {} bytes, wanted {} at most", xml.size(),
                                 IndexReader::kMostDomainBytes));
  }
  if (size_t at = xml.find('\0'); at != std::string::npos) {
    return malformed(fmt::format("part 'domain' has a NUL at {}", at));
  }
  return xml;
}

}  // namespace

Result<Bytes> serialise(const StateIndex& index, const FileTables& file) {
  IndexWriter writer;
  if (file.mark) writer.add(kMarkPart, write_mark(*file.mark));
  writer.add(kFactsPart, write_facts(index.facts));
  if (file.blocks) writer.add(kBlocksPart, write_blocks(*file.blocks));
  if (file.points) writer.add(kPointsPart, serialise(*file.points));
  if (index.records) writer.add(kRecordsPart, write_records(*index.records));
  if (index.pages) {
    writer.add(kPagesPart, write_pages(*index.pages));
    if (!index.pages->deltas().empty()) writer.add(kDeltasPart, write_deltas(*index.pages));
  }
  if (index.domain_xml && index.domain_xml->size() <= IndexReader::kMostDomainBytes) {
    auto xml = as_bytes(*index.domain_xml);
    writer.add(kDomainPart, Bytes(xml.begin(), xml.end()));
  }
  return writer.finish();
}

namespace {

// What `parse` makes of a part, if it is there.
template <typename T>
Result<std::optional<T>> parse_part(const IndexReader& index, std::string_view name,
                                    Result<T> (*parse)(std::span<const std::byte>)) {
  auto content = index.read_part(name);
  if (!content) return content.error();
  if (!*content) return std::optional<T>();
  auto value = parse(**content);
  if (!value) return value.error();
  return std::optional<T>(std::move(*value));
}

}  // namespace

struct IndexReader::State {
  RandomSource* bytes;
  std::vector<Part> parts;

  /// Null where the index has no such part.
  const Part* find(std::string_view name) const {
    auto found = std::ranges::find(parts, name, &Part::name);
    return found == parts.end() ? nullptr : &*found;
  }
  Result<Bytes> read(const Part& part) const {
    if (part.length > kMostPartBytes) {
      return Error{Errc::Unsupported,
                   fmt::format("index: part '{}' has {} bytes, at most {} are read",
                               escape(part.name), part.length, kMostPartBytes)};
    }
    return read_piece(*bytes, part.offset, part.length, part.checksum, part.name);
  }
};

IndexReader::IndexReader(std::unique_ptr<State> state) : state_(std::move(state)) {}
IndexReader::IndexReader(IndexReader&&) noexcept = default;
IndexReader::~IndexReader() = default;

bool IndexReader::recognise(std::span<const std::byte> head) {
  return head.size() >= kMagic.size() &&
         std::ranges::equal(head.first(kMagic.size()), as_bytes(kMagic));
}

Result<IndexReader> IndexReader::open(RandomSource& bytes) {
  uint64_t length = bytes.length();
  if (length < kMagic.size() + kTailBytes) {
    return malformed(
        fmt::format("has {} bytes, wanted {} at least", length, kMagic.size() + kTailBytes));
  }
  std::array<std::byte, kMagic.size()> front{};
  if (auto read = bytes.read_at(0, front); !read) return read.error();
  if (!recognise(front)) return malformed("does not begin as one");
  std::array<std::byte, kTailBytes> tail{};
  if (auto read = bytes.read_at(length - kTailBytes, tail); !read) return read.error();
  if (!recognise(std::span(tail).last(kMagic.size()))) return malformed("has no end mark");
  TableReader in(kTail, tail);
  uint64_t offset = in.le64();
  uint64_t directory_length = in.le64();
  uint64_t checksum = in.le64();
  uint64_t version = in.le64();
  if (in.le64() != xxh64(std::span(tail).first(32))) return malformed("its tail is damaged");
  if (version != kVersion) {
    return Error{Errc::Unsupported,
                 fmt::format("index: version {}, only {} is read", version, kVersion)};
  }
  uint64_t end = length - kTailBytes;
  if (directory_length > kMostDirectoryBytes || directory_length > end ||
      offset != end - directory_length) {
    return malformed(fmt::format("its directory of {} bytes at {:#x} does not end at {:#x}",
                                 directory_length, offset, end));
  }
  auto directory = read_piece(bytes, offset, directory_length, checksum, kDirectory);
  if (!directory) return directory.error();
  auto parts = parse_directory(*directory, offset);
  if (!parts) return parts.error();
  return IndexReader(std::make_unique<State>(State{&bytes, std::move(*parts)}));
}

Result<std::optional<Bytes>> IndexReader::read_part(std::string_view name) const {
  const Part* part = state_->find(name);
  if (!part) return std::optional<Bytes>();
  auto bytes = state_->read(*part);
  if (!bytes) return bytes.error();
  return std::optional<Bytes>(std::move(*bytes));
}

Result<StateFacts> IndexReader::read_facts() const {
  auto facts = parse_part(*this, kFactsPart, parse_facts);
  if (!facts) return facts.error();
  if (!*facts) return malformed("has no part 'meta'");
  return std::move(**facts);
}

Result<std::optional<FileMark>> IndexReader::read_mark() const {
  return parse_part(*this, kMarkPart, parse_mark);
}

Result<std::optional<ResumePoints>> read_points(const IndexReader& index) {
  return parse_part(index, kPointsPart, parse_resume_points);
}

Result<std::optional<BlockTable>> read_blocks(const IndexReader& index) {
  return parse_part(index, kBlocksPart, parse_blocks);
}

Result<std::optional<std::vector<IndexedRecord>>> IndexReader::read_records() const {
  return parse_part(*this, kRecordsPart, parse_records);
}

Result<std::optional<PageMap>> IndexReader::read_pages() const {
  auto pages = read_part(kPagesPart);
  if (!pages) return pages.error();
  if (!*pages) return std::optional<PageMap>();
  auto deltas = read_part(kDeltasPart);
  if (!deltas) return deltas.error();
  Bytes delta_bytes = std::move(*deltas).value_or(Bytes());
  auto map = parse_pages(**pages, delta_bytes);
  if (!map) return map.error();
  auto facts = read_facts();
  if (!facts) return facts.error();
  auto agrees = check_account(*facts, *map, page_map_sha256(**pages, delta_bytes));
  if (!agrees) return agrees.error();
  return std::optional<PageMap>(std::move(*map));
}

Result<std::optional<std::string>> IndexReader::read_domain_xml() const {
  return parse_part(*this, kDomainPart, parse_domain_xml);
}

Result<StateIndex> IndexReader::read() const {
  auto facts = read_facts();
  if (!facts) return facts.error();
  auto records = read_records();
  if (!records) return records.error();
  auto pages = read_pages();
  if (!pages) return pages.error();
  auto domain_xml = read_domain_xml();
  if (!domain_xml) return domain_xml.error();
  return StateIndex{std::move(*facts), std::move(*records), std::move(*pages),
                    std::move(*domain_xml)};
}

}  // namespace vmstream
