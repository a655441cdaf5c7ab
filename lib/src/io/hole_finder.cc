// SPDX-License-Identifier: MIT
#include "io/hole_finder.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

namespace vmstream {

HoleFinder::HoleFinder(int fd, uint64_t length)
    : fd_(::open(fmt::format("/proc/self/fd/{}", fd).c_str(), O_RDONLY | O_CLOEXEC)),
      length_(length) {}

HoleFinder::Stretch HoleFinder::at(uint64_t offset) {
  if (offset < begin_ || offset >= end_) look(offset);
  return offset < data_ ? Stretch{true, data_ - offset} : Stretch{false, end_ - offset};
}

// The answer begins where it was asked for.
void HoleFinder::look(uint64_t offset) {
  begin_ = data_ = offset;
  end_ = length_;
  off_t data = ::lseek(fd_.get(), static_cast<off_t>(offset), SEEK_DATA);
  if (data < 0) {
    // Nothing but a hole, unless the file has become shorter: then whoever reads finds that out.
    bool is_end = errno == ENXIO && ::lseek(fd_.get(), 0, SEEK_END) >= static_cast<off_t>(length_);
    if (is_end) data_ = length_;
    return;
  }
  off_t hole = ::lseek(fd_.get(), data, SEEK_HOLE);
  if (hole <= data) return;
  data_ = std::min(static_cast<uint64_t>(data), length_);
  end_ = std::min(static_cast<uint64_t>(hole), length_);
}

}  // namespace vmstream
