// SPDX-License-Identifier: MIT
// Where the memory of a saved guest lies in its guest-physical address space.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <vmstream/device_collector.h>
#include <vmstream/ram_image.h>
#include <vmstream/result.h>
#include <vmstream/stream_summary.h>

namespace vmstream {

/// What a guest finds at an address.
enum class MemoryKind {
  Ram,     ///< its memory: what it was started with, modules, virtio-mem, NVDIMMs
  Rom,     ///< firmware and flash
  Device,  ///< memory of a device, such as a frame buffer
};
std::string_view name_of(MemoryKind kind);  ///< "ram", "rom", "device"

/// How sure a place is.
enum class PlaceProof {
  Proved,  ///< the state itself tells the place
  Table,   ///< the rule of the machine type, which options of QEMU may have changed
  Given,   ///< the caller says so
};
std::string_view name_of(PlaceProof proof);  ///< "proved", "table", "given"

/// Consecutive guest-physical addresses whose bytes are consecutive in a RAM block. It does not
/// wrap: address + length is at most 2^64 - 1, and offset + length within the block.
struct PhysicalRange {
  uint64_t address = 0;
  uint64_t length = 0;  ///< bytes, not 0
  std::string block;    ///< its name, not escaped
  uint64_t offset = 0;  ///< in the block, of the first byte
  MemoryKind kind = MemoryKind::Ram;
  PlaceProof proof = PlaceProof::Table;

  uint64_t end() const { return address + length; }
  bool operator==(const PhysicalRange&) const = default;
};

/// What a caller says of a block's place.
struct PlacedBlock {
  std::string block;  ///< as it is or escaped
  uint64_t address = 0;
  uint64_t offset = 0;                            ///< of the first byte that is placed
  std::optional<uint64_t> length = std::nullopt;  ///< default: the rest of the block

  /// "BLOCK@ADDRESS" or "BLOCK@ADDRESS+OFFSET:LENGTH", numbers as sizes are written. Errc::Usage.
  static Result<PlacedBlock> parse(std::string_view text);
};

/// The map of a guest's physical address space, as the guest saw it at the save: where firmware
/// covers memory, the firmware. A plain value.
///
/// What is not in the map is a hole: device registers, or nothing. Blocks that no address shows
/// (option ROMs, tables of the firmware configuration) are not in it.
class PhysicalMap {
 public:
  /// By the stream's facts. `devices` has kept at least the sections that is_wanted() wants, and
  /// `summary` is of the same stream. `image`, where there is one, is read for the ACPI tables that
  /// tell the places of NVDIMMs and of NUMA nodes; borrowed for the call.
  /// What `placed` says goes before all else.
  ///
  /// Errc::Unsupported, with what to give, where the main memory of the machine has no rule or its
  /// order is open; Errc::Usage for a place that cannot be; Errc::Malformed for facts that no guest
  /// has.
  static Result<PhysicalMap> make(const DeviceCollector& devices, const StreamSummary& summary,
                                  RamImage* image = nullptr,
                                  const std::vector<PlacedBlock>& placed = {});
  /// Whether make() looks at such a section.
  static bool is_wanted(const SectionHeader& header);

  PhysicalMap() = default;
  /// `ranges` are sorted and apart.
  PhysicalMap(std::vector<PhysicalRange> ranges, std::vector<std::string> unplaced,
              std::vector<std::string> notes)
      : ranges_(std::move(ranges)), unplaced_(std::move(unplaced)), notes_(std::move(notes)) {}

  /// By address, none overlapping another.
  const std::vector<PhysicalRange>& ranges() const { return ranges_; }
  /// Blocks that hold memory of the guest at an address that is not known. Not escaped.
  const std::vector<std::string>& unplaced() const { return unplaced_; }
  /// What should be known of the map, in sentences; safe to print.
  const std::vector<std::string>& notes() const { return notes_; }
  /// Whether all memory (MemoryKind::Ram) is where the state itself, or the caller, says.
  bool is_proved() const;

  /// The range that holds the address; null in a hole.
  const PhysicalRange* find(uint64_t address) const;
  /// The first range that ends behind the address; null if none does.
  const PhysicalRange* find_from(uint64_t address) const;
  /// One past the highest address of memory of that kind; 0 without any.
  uint64_t end_of(MemoryKind kind) const;
  /// Whether all memory of the block lies at its offset plus one number, so that an image of the
  /// block is one of the addresses from that on.
  bool is_in_one_place(std::string_view block) const;

 private:
  std::vector<PhysicalRange> ranges_;
  std::vector<std::string> unplaced_;
  std::vector<std::string> notes_;
};

/// What a reading of physical memory met.
struct PhysicalReading {
  uint64_t hole_bytes = 0;    ///< at addresses where nothing is: zero
  uint64_t absent_pages = 0;  ///< that were never sent: zero

  bool is_whole() const { return hole_bytes == 0 && absent_pages == 0; }
};

/// The guest's memory by its physical addresses. Used by one thread at a time; one for each thread
/// shares nothing but what the caller shares between their images.
/// Memory: 256 pages, besides the image.
class PhysicalMemory {
 public:
  /// Both are borrowed. Ranges of blocks that the image does not have are holes.
  PhysicalMemory(const PhysicalMap& map, RamImage& image);
  PhysicalMemory(PhysicalMemory&&) noexcept;
  ~PhysicalMemory();

  const PhysicalMap& map() const;
  RamImage& image();

  /// Fills `into` with the bytes from the address on, and says what was not there. Small readings
  /// come from a cache of pages. Errc::Usage where the address space ends within; Errc::Malformed
  /// where the file is damaged there.
  Result<PhysicalReading> read(uint64_t address, std::span<std::byte> into);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace vmstream
