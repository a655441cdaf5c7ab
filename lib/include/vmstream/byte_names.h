// SPDX-License-Identifier: MIT
// A stream as a list of stretches that names every byte of it.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>

#include <vmstream/stream_scan.h>
#include <vmstream/visitor.h>

namespace vmstream {

/// What a stretch of bytes is, roughly: enough to colour it.
enum class ByteKind { Frame, Name, Number, Page, Body, Description, Lost };
/// "frame", "name", …: the word used in JSON.
std::string_view name_of(ByteKind kind);

/// A stretch with one meaning. Views are valid during the call only.
struct NamedBytes {
  uint64_t offset = 0;
  uint64_t length = 0;
  /// All of the stretch, or the front of one that is shown shortened. Empty where the bytes are
  /// known by their number only.
  std::span<const std::byte> bytes;
  ByteKind kind = ByteKind::Frame;
  std::string meaning;                     ///< escaped
  const SectionHeader* section = nullptr;  ///< that it belongs to, or null
};

/// How much is shown.
struct NamingOptions {
  /// Every page and all of its bytes, every byte of large fields; else rows of pages are one
  /// stretch and large ones are shortened.
  bool everything = false;
  /// Names only what overlaps this range, and that as if `everything` were set; behind it the scan
  /// is ended.
  bool in_range = false;
  uint64_t first = 0;
  uint64_t length = UINT64_MAX;
};

/// Turns parser events into stretches, in stream order; they cover the stream without a gap, but
/// for bytes behind a fault that ends the parse. Device fields are named where the description
/// comes close behind their sections.
/// Use: scan_stream() with this visitor, then finish() with the scan's result.
/// Memory: the device sections in front of the description, at most 32 MiB.
class ByteNamer final : public StreamVisitor {
 public:
  using Receiver = std::function<Status(const NamedBytes&)>;

  /// An error that `receiver` returns stops the parse.
  explicit ByteNamer(Receiver receiver, NamingOptions options = {});
  ~ByteNamer() override;

  /// Emits what was held back, and what no event told of.
  Status finish(const ScanResult& scan);
  /// True where the scan was ended because all of the range had been named: its fault, an
  /// Errc::Interrupted, means that and nothing else.
  bool has_passed_range() const;

  Status on_header(const StreamHeader& header) override;
  Status on_configuration(const Configuration& configuration) override;
  Status on_section(const SectionHeader& header) override;
  Status on_ram_blocks(const RamBlockList& list) override;
  Status on_page(const Page& page) override;
  Status on_ram_mark(RamMark mark, uint64_t offset) override;
  Status on_body(uint64_t offset, std::span<const std::byte> bytes) override;
  Status on_section_end(const SectionHeader& header, const SectionEnd& end) override;
  Status on_command(const Command& command) override;
  Status on_package_end(uint64_t offset) override;
  Status on_eof(uint64_t offset) override;
  Status on_vmdesc(const VmdescRecord& record) override;
  Status on_cut_vmdesc(const VmdescRecord& record) override;
  Status on_trailing(uint64_t offset, std::span<const std::byte> bytes) override;
  Status on_lost(uint64_t offset, std::span<const std::byte> bytes) override;
  Status on_gap(const StreamGap& gap) override;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace vmstream
