// SPDX-License-Identifier: MIT
// save_guest MONITOR FILE: saves the guest of a running QEMU as zstd, with an index. The guest
// stands still for that time, then it goes on.
#include <cstdio>

#include <vmstream/vmstream.h>

namespace {

vmstream::Status save(const char* monitor, const char* path) {
  auto address = vmstream::QmpAddress::parse(monitor);
  if (!address) return address.error();
  auto file = vmstream::StateWriter::create(path, vmstream::Overwrite::Refuse);
  if (!file) return file.error();
  vmstream::CaptureOptions options;
  options.output = path;  // refused if it is a disk of the guest
  options.index = [&](vmstream::StateIndex index) { file->set_index(std::move(index)); };
  auto guest = vmstream::GuestCapture::open(*address, options);
  if (!guest) return guest.error();
  if (auto saved = guest->capture(file->entrance()); !saved) return saved.error();
  if (auto published = file->publish(); !published) return published;
  return guest->complete();
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) return 2;
  auto saved = save(argv[1], argv[2]);
  if (!saved) std::fprintf(stderr, "%s\n", vmstream::describe(saved.error()).c_str());
  return saved ? 0 : 1;
}
