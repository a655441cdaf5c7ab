// SPDX-License-Identifier: MIT
// What a person asks first of a stream: machine, RAM, devices, complete or not, which QEMU wrote
// it, and how its guest is started again.
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <vmstream/problems.h>
#include <vmstream/stream_scan.h>
#include <vmstream/visitor.h>

namespace vmstream {

/// Page records by kind. A page that was sent twice counts twice.
class PageCounts {
 public:
  static constexpr std::array kKinds = {PageKind::Data, PageKind::Zero, PageKind::Fill,
                                        PageKind::Xbzrle, PageKind::Compressed};

  void add(PageKind kind, uint64_t records = 1) { counts_[static_cast<size_t>(kind)] += records; }
  uint64_t operator[](PageKind kind) const { return counts_[static_cast<size_t>(kind)]; }
  uint64_t total() const;
  auto operator<=>(const PageCounts&) const = default;

 private:
  std::array<uint64_t, kKinds.size()> counts_{};
};

/// A RAM block, and the page records that were sent of it.
struct RamBlockSummary {
  RamBlock block;
  PageCounts pages;
  uint64_t absent_pages = 0;  ///< as an index counts them; a scan leaves it 0
};

/// The pages of `block` that no record tells of, at least: there are only so many `records`, and
/// some may be of a page that was sent before. A complete stream has them where pages went another
/// way: through other channels (multifd), in shared memory (x-ignore-shared).
uint64_t count_absent_pages(const RamBlock& block, uint64_t records, uint64_t page_size);
/// The same with what an index may know besides.
uint64_t count_absent_pages(const RamBlockSummary& summary, uint64_t page_size);

/// An iterable section: ram, block, dirty-bitmap, … with all of its slices.
struct IterableSummary {
  SectionHeader start;
  uint64_t sections = 0;  ///< START, PARTs and END
  uint64_t bytes = 0;     ///< of all of them, framing included
  bool ended = false;     ///< an END was seen
};

/// A FULL section.
struct DeviceSummary {
  SectionHeader header;
  uint64_t length = 0;  ///< framing included
  uint64_t body_length = 0;
  bool footer = false;
  BoundedBy bounded_by = BoundedBy::Format;
  std::optional<uint64_t> fields = std::nullopt;       ///< by the vmdesc; nested ones not counted
  std::optional<uint64_t> subsections = std::nullopt;  ///< by the vmdesc
};

/// "7.2". Stable releases within a series write the same stream.
struct QemuVersion {
  uint32_t major = 0;
  uint32_t minor = 0;
  auto operator<=>(const QemuVersion&) const = default;
};
std::string to_string(QemuVersion version);

/// The version at the end of a machine type's name, such as 7.2 of "pc-q35-7.2". Empty for names
/// without one and for those of distributions ("pc-i440fx-rhel7.6.0").
std::optional<QemuVersion> version_of_machine(std::string_view machine);

/// The range of releases that could have written a stream, narrowed clue by clue. Always an
/// inference: a distribution may have moved a feature to an older release.
class QemuVersionRange {
 public:
  /// Each clue is kept in because() only if it narrows the range.
  void at_least(QemuVersion version, std::string_view clue);
  void at_most(QemuVersion version, std::string_view clue);

  const std::optional<QemuVersion>& lowest() const { return lowest_; }
  const std::optional<QemuVersion>& highest() const { return highest_; }
  /// The clues that set the two ends, such as "machine type pc-q35-7.2 exists since 7.2".
  std::vector<std::string> because() const;

 private:
  std::optional<QemuVersion> lowest_;
  std::optional<QemuVersion> highest_;
  std::string lowest_clue_;
  std::string highest_clue_;
};

/// A device, or memory, that the destination has only where an option asks for it.
struct StartDevice {
  std::string idstr;     ///< of its section, or the name of its RAM block; not escaped
  std::string argument;  ///< "-device virtio-net-pci,addr=0x3"; empty where it is not known
};

/// Arguments for the QEMU that is to load a stream, as far as the stream tells them. What lies
/// outside of a guest's state (disks, networks, files, most processor models) is not in a stream.
struct StartArguments {
  std::string machine;        ///< versioned type, not escaped; empty where the stream has none
  uint64_t memory_bytes = 0;  ///< for -m: the guest's own memory, no ROMs; 0 where not known
  uint64_t cpus = 0;          ///< for -smp
  std::string cpu;            ///< for -cpu; empty where the stream does not tell
  bool kvm = false;           ///< it has state that only KVM takes
  std::string uuid;           ///< for -uuid, which the destination compares; empty without
  bool nodefaults = false;    ///< a PC without what it has of itself
  std::vector<StartDevice> devices = {};

  /// "-machine pc-i440fx-7.2 -m 128M -smp 4", without the devices; empty where nothing is known.
  /// Quoted for a shell, as the arguments of devices are, but not escaped.
  std::string text() const;
};

/// "128M", "2G": as it is typed behind -m.
std::string memory_argument(uint64_t bytes);

/// Clocks at the moment of the save.
struct GuestClocks {
  /// The date in the RTC, in seconds since 1970 of the calendar that the guest keeps in it: UTC or
  /// local time.
  std::optional<int64_t> rtc_seconds = std::nullopt;
  std::optional<uint64_t> kvmclock_ns = std::nullopt;  ///< since the guest was started
  std::optional<uint64_t> run_ns = std::nullopt;       ///< for how long it has run
  /// The source's own clock, in seconds since 1970 UTC, where the RTC went by it.
  std::optional<int64_t> saved_seconds = std::nullopt;

  bool operator==(const GuestClocks&) const = default;
};

/// The answers. Owns everything; names are as in the stream, not escaped.
struct StreamSummary {
  std::optional<StreamHeader> header;
  std::optional<Configuration> configuration;
  std::optional<uint32_t> target_page_size;
  std::optional<uint32_t> ram_version;  ///< version id of the ram section
  uint64_t ram_bytes = 0;               ///< sum of the blocks' lengths, as the stream gives it
  std::vector<RamBlockSummary> blocks;
  PageCounts pages;  ///< of all blocks, and of streams without block names
  std::vector<IterableSummary> iterables;
  std::vector<DeviceSummary> devices;
  std::optional<std::string> run_state;  ///< of the guest when it was saved, QEMU's own word
  uint64_t commands = 0;
  bool postcopy = false;  ///< the guest was switched over before its RAM had been sent
  bool footers = false;
  bool vmdesc = false;
  QemuVersionRange qemu;
  StartArguments start;
  GuestClocks clocks;
  ProblemLog problems;
  LoadVerdict load;  ///< the caller sets it, as a Verifier of the same scan found it

  bool complete = false;
  /// With neither footers nor a description a zero byte at the end of the file is taken for the
  /// stream's end mark: a stream that was cut behind one looks the same.
  bool end_is_inferred() const {
    return complete && !devices.empty() && devices.back().bounded_by == BoundedBy::NextHeader;
  }
  /// False where only the ends of the stream were scanned: page counts, commands and the slices of
  /// iterables are unknown then. The caller sets it.
  bool ram_read = true;
  uint64_t stream_bytes = 0;
  uint64_t trailing_bytes = 0;  ///< behind the end of the stream
};

/// Collects a summary. Memory grows with the number of distinct sections and RAM blocks only.
/// Use: scan_stream() with this visitor, then finish() with the scan's result.
class SummaryCollector : public StreamVisitor {
 public:
  SummaryCollector();
  ~SummaryCollector() override;

  /// Adds what only the end of the stream could tell. Call once, and collect nothing after.
  StreamSummary finish(const ScanResult& scan);

  Status on_header(const StreamHeader& header) override;
  Status on_configuration(const Configuration& configuration) override;
  Status on_section(const SectionHeader& header) override;
  Status on_ram_blocks(const RamBlockList& list) override;
  Status on_page(const Page& page) override;
  Status on_ram_mark(RamMark mark, uint64_t offset) override;
  Status on_body(uint64_t offset, std::span<const std::byte> bytes) override;
  Status on_section_end(const SectionHeader& header, const SectionEnd& end) override;
  Status on_command(const Command& command) override;
  Status on_vmdesc(const VmdescRecord& record) override;
  Status on_cut_vmdesc(const VmdescRecord& record) override;
  Status on_problem(const Problem& problem) override;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace vmstream
