// SPDX-License-Identifier: MIT
#include "format/ram/target_page.h"

#include <algorithm>

namespace vmstream {
namespace {

struct MachinePage {
  std::string_view prefix;  // of the versioned machine type
  uint32_t bytes;
};

// Machines of the targets whose pages are not 4096 bytes. Names that several targets share, such as
// "virt", are left to the confirmation by the first page.
constexpr MachinePage kMachines[] = {
    {"clipper", 8192},  // alpha
    {"sun4u", 8192},
    {"sun4v", 8192},
    {"niagara", 8192},  // sparc64
    {"or1k-sim", 8192},
    {"axis-dev88", 8192},  // or1k, cris
    {"tricore_testboard", 16384},
    {"KIT_AURIX", 16384},  // tricore
    {"V66G_1024", 65536},  // hexagon
    {"arduino", 256},
    {"mega", 256},
    {"uno", 256},  // avr
};

}  // namespace

uint32_t guess_page_bytes(std::string_view machine) {
  auto found = std::ranges::find_if(
      kMachines, [&](const MachinePage& entry) { return machine.starts_with(entry.prefix); });
  return found == std::end(kMachines) ? kUsualPageBytes : found->bytes;
}

}  // namespace vmstream
