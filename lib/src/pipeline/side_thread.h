// SPDX-License-Identifier: MIT
// Work beside everything else, until it ends by itself.
#pragma once

#include <functional>
#include <system_error>
#include <thread>
#include <utility>

namespace vmstream {

/// One thread for one piece of work. The destructor waits for its end.
class SideThread {
 public:
  SideThread() = default;
  explicit SideThread(std::function<void()> work) {
    try {
      thread_ = std::jthread(std::move(work));
    } catch (const std::system_error&) {
      // no thread: runs() tells
    }
  }

  bool runs() const { return thread_.joinable(); }
  void join() {
    if (thread_.joinable()) thread_.join();
  }

 private:
  std::jthread thread_;
};

}  // namespace vmstream
