// SPDX-License-Identifier: MIT
#include "guest/libvirt/save_image.h"

#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <string_view>

#include "container/libvirt/libvirt_image.h"

namespace vmstream {
namespace {

constexpr size_t kRunsOffset = 24;

// In the order of this machine, as libvirt wants it.
void put(std::string& bytes, uint32_t number) {
  std::array<char, sizeof number> raw;
  std::memcpy(raw.data(), &number, sizeof number);
  bytes.append(raw.data(), raw.size());
}

Status write_at(int fd, std::string_view bytes, size_t offset) {
  while (!bytes.empty()) {
    ssize_t written = ::pwrite(fd, bytes.data(), bytes.size(), static_cast<off_t>(offset));
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return system_error("write of the save image", errno);
    bytes.remove_prefix(static_cast<size_t>(written));
    offset += static_cast<size_t>(written);
  }
  return ok();
}

}  // namespace

Status write_image_opening(int fd, const std::string& xml) {
  std::string head(libvirt::kUnfinished);
  size_t data_bytes = xml.size() + 1 + libvirt::kRoomBytes;
  put(head, libvirt::kNewestVersion);
  put(head, static_cast<uint32_t>(data_bytes));
  head.resize(libvirt::kHeaderBytes);  // does not run, raw, no cookie
  head += xml;
  head.resize(libvirt::kHeaderBytes + data_bytes);
  if (auto written = write_at(fd, head, 0); !written) return written;
  if (::lseek(fd, static_cast<off_t>(head.size()), SEEK_SET) < 0) {
    return system_error("seek in the save image", errno);
  }
  return ok();
}

Status finish_image(int fd, bool runs) {
  std::string number;
  put(number, runs ? 1 : 0);
  if (auto written = write_at(fd, number, kRunsOffset); !written) return written;
  return write_at(fd, libvirt::kFinished, 0);
}

}  // namespace vmstream
