// SPDX-License-Identifier: MIT
// Notes from any thread to one that waits for descriptors.
#pragma once

#include <sys/eventfd.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <mutex>
#include <utility>
#include <vector>

#include <vmstream/result.h>
#include "base/unique_fd.h"

namespace vmstream {

/// put() may be called by any thread, the rest by one.
template <typename Note>
class Mailbox {
 public:
  Mailbox() : filled_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {}

  /// Whether the system gave the descriptor.
  bool is_open() const { return filled_.is_open(); }
  /// Readable while there is a note; for poll().
  int descriptor() const { return filled_.get(); }

  void put(Note note) {
    std::lock_guard lock(mutex_);
    notes_.push_back(std::move(note));
    uint64_t one = 1;
    [[maybe_unused]] ssize_t told = ::write(filled_.get(), &one, sizeof one);
  }

  /// All that came since the last call.
  std::vector<Note> take() {
    std::lock_guard lock(mutex_);
    uint64_t count = 0;
    [[maybe_unused]] ssize_t read = ::read(filled_.get(), &count, sizeof count);
    return std::exchange(notes_, {});
  }

 private:
  UniqueFd filled_;
  std::mutex mutex_;
  std::vector<Note> notes_;
};

}  // namespace vmstream
