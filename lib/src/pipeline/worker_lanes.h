// SPDX-License-Identifier: MIT
// Work on several threads, each piece on the one that it is meant for.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

namespace vmstream {

/// Lanes with a thread each, that work on what they are given in order. Used by one thread. A
/// process that may not have threads does the work in push().
template <typename Task>
class WorkerLanes {
 public:
  using Work = std::function<void(Task)>;

  /// What each lane does may keep a state of its own.
  explicit WorkerLanes(std::vector<Work> works) {
    for (Work& work : works) lanes_.push_back(std::make_unique<Lane>(std::move(work)));
  }

  size_t count() const { return lanes_.size(); }
  void push(size_t lane, Task task) { lanes_[lane]->push(std::move(task)); }

 private:
  class Lane {
   public:
    explicit Lane(Work work) : work_(std::move(work)) {
      try {
        thread_ = std::jthread([this] { run(); });
      } catch (const std::system_error&) {
        // no thread: push() sees it
      }
    }
    ~Lane() {
      std::lock_guard lock(mutex_);
      closed_ = true;
      changed_.notify_all();
    }

    void push(Task task) {
      if (!thread_.joinable()) return work_(std::move(task));
      std::lock_guard lock(mutex_);
      queue_.push_back(std::move(task));
      changed_.notify_one();
    }

   private:
    // What is waiting when the lane closes is dropped.
    void run() {
      std::unique_lock lock(mutex_);
      for (;;) {
        changed_.wait(lock, [this] { return closed_ || !queue_.empty(); });
        if (closed_) return;
        Task task = std::move(queue_.front());
        queue_.pop_front();
        lock.unlock();
        work_(std::move(task));
        lock.lock();
      }
    }

    Work work_;
    std::mutex mutex_;
    std::condition_variable changed_;
    std::deque<Task> queue_;
    bool closed_ = false;
    std::jthread thread_;  // last: joins before the rest goes
  };

  std::vector<std::unique_ptr<Lane>> lanes_;
};

}  // namespace vmstream
