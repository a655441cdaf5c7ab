// SPDX-License-Identifier: MIT
#include "guest/libvirt/dump_fifo.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>

namespace vmstream {
namespace {

// For libvirt to open the FIFO after this process has been killed.
constexpr std::chrono::seconds kLatecomers{10};

}  // namespace

Result<DumpFifo> DumpFifo::create() {
  auto folder = PrivateFolder::create(::geteuid(), false);
  if (!folder) return folder.error();
  const char* path = folder->place().c_str();
  if (::mkfifo(path, 0600) != 0) return system_error("mkfifo", errno);
  UniqueFd reader(::open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC));
  if (!reader.is_open()) return system_error("open of a FIFO", errno);
  UniqueFd door(::open(path, O_WRONLY | O_NONBLOCK | O_CLOEXEC));
  if (!door.is_open()) return system_error("open of a FIFO", errno);
  if (::fcntl(reader.get(), F_SETFL, 0) != 0) return system_error("fcntl", errno);  // for `cat`
  enlarge_pipe(reader.get());
  auto drain = leave_drain(reader.get(), kLatecomers);
  if (!drain) return drain.error();
  return DumpFifo(std::move(*folder), std::move(reader), std::move(door), std::move(*drain));
}

}  // namespace vmstream
