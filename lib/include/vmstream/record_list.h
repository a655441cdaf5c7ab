// SPDX-License-Identifier: MIT
// A stream as a list of records that covers every byte.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include <vmstream/problems.h>
#include <vmstream/stream_scan.h>
#include <vmstream/visitor.h>

namespace vmstream {

/// What a stretch of the stream is.
enum class RecordKind {
  Header,         ///< magic and version
  Configuration,  ///< with its subsections
  Section,        ///< head, body and footer of one START, PART, END or FULL
  Command,        ///< without the records that follow a PACKAGED one
  Eof,
  Vmdesc,
  Trailing,  ///< bytes behind the end of the stream
  Unparsed,  ///< bytes behind a fault, or between records: nothing is known of them
};

/// One record. A plain value.
struct StreamRecord {
  RecordKind kind = RecordKind::Unparsed;
  uint64_t offset = 0;
  uint64_t length = 0;  ///< all of it, framing included
  /// Sections only; `section->offset` is `offset`.
  std::optional<SectionHeader> section = std::nullopt;
  uint64_t body_length = 0;  ///< sections only
  bool footer = false;
  BoundedBy bounded_by = BoundedBy::Format;
  uint64_t page_records = 0;                          ///< in a ram section
  std::optional<CommandType> command = std::nullopt;  ///< commands only
  bool packaged = false;                              ///< inside of a PACKAGED command
  bool whole = true;                                  ///< false: the stream breaks inside

  /// A slice of an iterable section that carries nothing but its end mark. Normal, by thousands.
  bool is_empty_part() const;
};

/// "header", "start", "part", "end", "full", "command", …: the word used in JSON and tables.
std::string_view name_of(const StreamRecord& record);

/// Turns parser events into records, in stream order, the moment each is complete; keeps none.
///
/// Offsets and lengths tile the stream: the first record begins at 0 and each begins where the one
/// before ends. Use: scan_stream() with this visitor, then finish() with the scan's result.
class RecordLister final : public StreamVisitor {
 public:
  using Receiver = std::function<Status(const StreamRecord&)>;

  /// An error that `receiver` returns stops the parse.
  explicit RecordLister(Receiver receiver);
  ~RecordLister() override;

  /// Emits what a fault left open and what lies behind it, or the trailing bytes.
  Status finish(const ScanResult& scan);

  const ProblemLog& problems() const;

  Status on_header(const StreamHeader& header) override;
  Status on_configuration(const Configuration& configuration) override;
  Status on_section(const SectionHeader& header) override;
  Status on_page(const Page& page) override;
  Status on_section_end(const SectionHeader& header, const SectionEnd& end) override;
  Status on_command(const Command& command) override;
  Status on_package_end(uint64_t offset) override;
  Status on_eof(uint64_t offset) override;
  Status on_vmdesc(const VmdescRecord& vmdesc) override;
  Status on_trailing(uint64_t offset, std::span<const std::byte> bytes) override;
  Status on_problem(const Problem& problem) override;
  Status on_gap(const StreamGap& gap) override;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace vmstream
