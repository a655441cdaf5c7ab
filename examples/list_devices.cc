// SPDX-License-Identifier: MIT
// list_devices FILE: the device sections of a state file, packed or not.
#include <cstdio>

#include <vmstream/vmstream.h>

int main(int argc, char** argv) {
  if (argc != 2) return 2;
  auto file = vmstream::StateFile::open(argv[1]);
  auto stream = file ? file->stream() : file.error();
  if (!stream) {
    std::fprintf(stderr, "%s: %s\n", argv[1], vmstream::describe(stream.error()).c_str());
    return 1;
  }
  vmstream::SummaryCollector collector;
  auto scan = vmstream::scan_stream(**stream, collector);
  for (const auto& device : collector.finish(scan).devices) {
    std::printf("%#10llx  %6llu bytes  version %u  %s\n",
                static_cast<unsigned long long>(device.header.offset),
                static_cast<unsigned long long>(device.body_length), device.header.version_id,
                vmstream::escape(device.header.idstr).c_str());
  }
  if (!scan.fault) return 0;
  std::fprintf(stderr, "%s: %s\n", argv[1], vmstream::describe(*scan.fault).c_str());
  return 3;
}
