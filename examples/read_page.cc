// SPDX-License-Identifier: MIT
// read_page FILE BLOCK OFFSET: one page of a saved guest's memory, on stdout. `read_page guest.zst
// pc.ram 0x7000 | xxd` shows where a boot sector is.
#include <cstdio>
#include <cstdlib>

#include <vmstream/vmstream.h>

int main(int argc, char** argv) {
  if (argc != 4) return 2;
  auto memory = vmstream::GuestMemory::open(argv[1]);
  if (!memory) {
    std::fprintf(stderr, "%s: %s\n", argv[1], vmstream::describe(memory.error()).c_str());
    return 1;
  }
  std::vector<std::byte> page(memory->page_size());
  auto absent = memory->read(argv[2], std::strtoull(argv[3], nullptr, 0), page);
  if (!absent) {
    std::fprintf(stderr, "%s: %s\n", argv[1], vmstream::describe(absent.error()).c_str());
    return 1;
  }
  if (*absent > 0) std::fprintf(stderr, "%s: this page was never sent\n", argv[1]);
  return std::fwrite(page.data(), 1, page.size(), stdout) == page.size() ? 0 : 1;
}
