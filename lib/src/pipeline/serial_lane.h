// SPDX-License-Identifier: MIT
// Work on passing bytes, in order, beside the thread that moves them.
#pragma once

#include <algorithm>
#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <mutex>
#include <span>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

namespace vmstream {

/// Shows every byte it is given to `work`, on one thread of its own, in order. A process that may
/// not have threads does the work in push().
///
/// push() copies, so that the caller may reuse its memory, and waits only while kDepth buffers are
/// under way: memory is at most (kDepth + 2) * kBufferBytes. Used by one thread. The destructor
/// drops what has not been worked on.
class SerialLane {
 public:
  using Work = std::function<void(std::span<const std::byte>)>;
  static constexpr size_t kBufferBytes = 256 * 1024;  // large enough that waking costs nothing
  static constexpr size_t kDepth = 8;

  explicit SerialLane(Work work) : work_(std::move(work)) {
    try {
      thread_ = std::jthread([this] { run(); });
    } catch (const std::system_error&) {
      // no thread: push() sees it
    }
  }

  ~SerialLane() {
    std::lock_guard lock(mutex_);
    closed_ = true;
    queue_.clear();
    changed_.notify_all();
  }

  void push(std::span<const std::byte> bytes) {
    if (!thread_.joinable()) return work_(bytes);
    while (!bytes.empty()) {
      size_t count = std::min(bytes.size(), kBufferBytes - filling_.size());
      auto part = bytes.first(count);
      filling_.insert(filling_.end(), part.begin(), part.end());
      bytes = bytes.subspan(count);
      if (filling_.size() == kBufferBytes) hand_over();
    }
  }

  /// Waits until everything has been worked on. Nothing may be pushed after it.
  void finish() {
    if (!thread_.joinable()) return;
    hand_over();
    {
      std::lock_guard lock(mutex_);
      closed_ = true;
      changed_.notify_all();
    }
    thread_.join();
  }

 private:
  using Buffer = std::vector<std::byte>;

  void hand_over() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return queue_.size() < kDepth; });
    queue_.push_back(std::move(filling_));
    filling_ = std::exchange(spare_, {});
    changed_.notify_all();
    lock.unlock();
    filling_.clear();
    filling_.reserve(kBufferBytes);
  }

  void run() {
    std::unique_lock lock(mutex_);
    for (;;) {
      changed_.wait(lock, [this] { return closed_ || !queue_.empty(); });
      if (queue_.empty()) return;
      Buffer buffer = std::move(queue_.front());
      queue_.pop_front();
      changed_.notify_all();
      lock.unlock();
      work_(buffer);
      lock.lock();
      spare_ = std::move(buffer);
    }
  }

  Work work_;
  Buffer filling_;  // of the pushing thread alone
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Buffer> queue_;
  Buffer spare_;  // memory to fill again
  bool closed_ = false;
  std::jthread thread_;  // last: joins before the rest goes
};

}  // namespace vmstream
