// SPDX-License-Identifier: MIT
// The registers as GDB counts them, and the XML that says so.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include <vmstream/cpu_registers.h>

namespace vmstream {

/// One register of the debugger's.
struct GdbRegister {
  std::string name;  ///< GDB's
  unsigned bits = 64;
  std::string_view type;
  std::string source;       ///< the name in CpuRegisters; empty for one that a stream does not have
  unsigned first_word = 0;  ///< of the source
};

struct GdbFeature {
  std::string_view name;
  std::string_view types = {};  ///< XML that defines what `type` names
  std::vector<GdbRegister> registers = {};
};

struct GdbTarget {
  std::string_view architecture;
  std::vector<GdbFeature> features;
};

/// Empty features for an architecture that the stub does not have. Features whose registers the
/// processor lacks are left out.
GdbTarget gdb_target(const CpuRegisters& cpu);
std::string target_xml(const GdbTarget& target);
/// The value in the order of the target, as hexadecimal digits; "xx…" where there is none.
std::string register_digits(const GdbRegister& wanted, const CpuRegisters& cpu);

}  // namespace vmstream
