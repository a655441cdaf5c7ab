// SPDX-License-Identifier: MIT
// restore_guest FILE QEMU...: starts QEMU with these arguments on a state file and waits for its
// end. The guest runs only if the whole file has proved sound.
#include <cstdio>
#include <string>
#include <vector>

#include <vmstream/vmstream.h>

namespace {

vmstream::Status restore(const char* path, std::vector<std::string> command) {
  auto file = vmstream::StateFile::open(path);
  if (!file) return file.error();
  auto stream = file->piped_stream();
  if (!stream) return stream.error();
  auto qemu = vmstream::QemuProcess::start(std::move(command));
  if (!qemu) return qemu.error();
  vmstream::RestoreOptions options{.run_state = vmstream::RunState::Running};
  auto restored = vmstream::restore_guest(**stream, qemu->qmp(), options);
  if (!restored) return restored.error();
  auto ended = qemu->wait();
  return ended ? vmstream::ok() : vmstream::Status(ended.error());
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 3) return 2;
  auto restored = restore(argv[1], {argv + 2, argv + argc});
  if (!restored) std::fprintf(stderr, "%s\n", vmstream::describe(restored.error()).c_str());
  return restored ? 0 : 1;
}
