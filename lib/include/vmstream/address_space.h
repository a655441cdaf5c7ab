// SPDX-License-Identifier: MIT
// Virtual addresses of a saved guest: the page tables of a processor, walked as it walks them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <vmstream/cpu_registers.h>
#include <vmstream/result.h>

namespace vmstream {

/// How the tables are laid out.
enum class PagingMode {
  Off,        ///< virtual addresses are physical ones
  X86Legacy,  ///< 32 bits, two levels, 4 MiB pages with PSE
  X86Pae,     ///< 32 bits, three levels
  X86Long4,   ///< 48 bits, four levels
  X86Long5,   ///< 57 bits, five levels
  Arm4K,      ///< aarch64, granule of 4 KiB
  Arm16K,
  Arm64K,
};
std::string_view name_of(PagingMode mode);  ///< "off", "x86 4-level", …

/// Fills all of `into` from a guest-physical address on. Errc::Unsupported where no memory of the
/// guest is there.
using ReadPhysical = std::function<Status(uint64_t address, std::span<std::byte> into)>;

/// One table that a walk has looked into.
struct WalkStep {
  unsigned level = 0;    ///< x86: 5 to 1, where 1 points to 4 KiB; Arm: 0 to 3
  uint64_t address = 0;  ///< of the entry, guest-physical
  uint64_t entry = 0;    ///< as it is in memory
};

/// What became of a virtual address.
struct Translation {
  std::vector<WalkStep> steps = {};  ///< from the root on; none with paging off
  std::optional<uint64_t> physical = std::nullopt;
  uint64_t page_bytes = 0;  ///< of the page that holds it; 0 where none does
  // Of all tables on the way together.
  bool writable = false;
  bool user = false;
  bool executable = false;
  std::string why_not = {};  ///< where there is no physical address
};

/// Virtual addresses that are consecutive, and so are the physical ones.
struct MappedRange {
  uint64_t address = 0;  ///< virtual
  uint64_t physical = 0;
  uint64_t length = 0;
};

/// One address space. A plain value; any number of threads, each with its own reader.
///
/// Tables are untrusted: what they say is masked to the bits an address can have, a walk has as
/// many steps as there are levels, and a listing ends after so many tables (kMostTables).
class AddressSpace {
 public:
  /// As the processor had it. Errc::Unsupported for other architectures than x86 and aarch64, for
  /// tables of a hypervisor above it, and where a register is missing.
  static Result<AddressSpace> of_cpu(const CpuRegisters& cpu);

  /// The same mode with the root of another process: the content of CR3 or TTBR0. Errc::Usage with
  /// paging off.
  Result<AddressSpace> with_root(uint64_t root) const;

  PagingMode mode() const { return mode_; }
  uint64_t root() const { return low_.root; }

  /// Walks the tables. An error is of the reader only; what is not mapped is no error.
  Result<Translation> translate(uint64_t address, const ReadPhysical& read) const;

  /// Fills `into` from a virtual address on. Errc::Unsupported, with the first address that is not
  /// mapped or has no memory.
  Status read(uint64_t address, std::span<std::byte> into, const ReadPhysical& read) const;

  /// Calls `each` for what is mapped, by virtual address, neighbours as one. Tables that cannot be
  /// read are passed over. Errc::Malformed for more than kMostTables, after those.
  Status list(const ReadPhysical& read,
              const std::function<Status(const MappedRange&)>& each) const;
  static constexpr uint64_t kMostTables = 1u << 20;  ///< enough for 2 TiB in pages of 4 KiB

  /// A half of the address space: Arm has a root for each, x86 one for both.
  struct Half {
    uint64_t root = 0;  ///< guest-physical address of the first table
    unsigned bits = 0;  ///< of a virtual address that the tables tell apart
    bool enabled = true;
    bool ignores_top_byte = false;
  };

 private:
  explicit AddressSpace(PagingMode mode) : mode_(mode) {}
  const Half& half_of(uint64_t address) const;

  PagingMode mode_;
  Half low_ = {};
  Half high_ = {};
  bool large_pages_ = true;    // x86, 32 bits: PSE
  uint64_t a20_mask_ = ~0ull;  // of addresses with paging off
};

}  // namespace vmstream
