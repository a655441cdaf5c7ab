// SPDX-License-Identifier: MIT
// Work on many threads, results in the order of the questions.
//
// One thread owns a pipeline: it pushes items in and pops results out, and does all reading and
// writing itself. The slot for a result is queued before the work on it starts, so order needs no
// sorting. Nothing here waits for ever: a pop waits for work that is already in hand.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <new>
#include <optional>
#include <system_error>
#include <thread>
#include <vector>

#include <vmstream/result.h>

namespace vmstream {

/// How many workers `asked` stands for (0: one a core), within sensible limits.
unsigned count_threads(unsigned asked);

/// `threads` workers that turn each In into an Out. With one thread the owner does the work itself,
/// in push(); what comes out is the same.
template <typename In, typename Out>
class OrderedPipeline {
 public:
  using Work = std::function<Result<Out>(In)>;

  /// `make_work` is called once for each worker, on the owner's thread: what it returns may keep a
  /// state of its own, such as a compression context.
  OrderedPipeline(unsigned threads, const std::function<Work()>& make_work)
      : depth_(2 * size_t{threads} + 3) {
    if (threads <= 1) {
      own_work_ = make_work();
      return;
    }
    for (unsigned i = 0; i < threads; ++i) {
      if (!start_worker(make_work())) break;
    }
    if (workers_.empty()) own_work_ = make_work();  // a process that may not have threads
  }
  OrderedPipeline(const OrderedPipeline&) = delete;

  /// Work that has not begun is dropped; work in hand is waited for.
  ~OrderedPipeline() {
    {
      std::lock_guard lock(mutex_);
      closing_ = true;
    }
    work_waiting_.notify_all();
  }

  /// As many items are in hand as there may be (two a worker: one worked on and one ready to begin;
  /// and three: the oldest being written, the newest being read, and one for the jitter).
  bool full() const { return slots_.size() >= depth_; }
  bool empty() const { return slots_.empty(); }
  /// Whether pop() would not wait.
  bool ready() const {
    std::lock_guard lock(mutex_);
    return !slots_.empty() && slots_.front().out.has_value();
  }

  /// Hands in one item. Not to be called when full().
  void push(In item) {
    if (own_work_) {
      slots_.emplace_back().out.emplace(guarded(own_work_, std::move(item)));
      return;
    }
    {
      std::lock_guard lock(mutex_);
      Slot& slot = slots_.emplace_back();  // a deque: slots stay where they are
      slot.in.emplace(std::move(item));
      waiting_.push_back(&slot);
    }
    work_waiting_.notify_one();
  }

  /// The result of the oldest item, waiting for it. Not to be called when empty(). The first error
  /// is kept: every later call gives it again.
  Result<Out> pop() {
    std::unique_lock lock(mutex_);
    slot_done_.wait(lock, [this] { return slots_.front().out.has_value(); });
    Result<Out> result = std::move(*slots_.front().out);
    slots_.pop_front();
    if (!error_ && !result) error_ = result.error();
    if (error_) return *error_;
    return result;
  }

 private:
  struct Slot {
    std::optional<In> in;
    std::optional<Result<Out>> out;
  };

  static Result<Out> guarded(const Work& work, In item) {
    try {
      return work(std::move(item));
    } catch (const std::bad_alloc&) {
      return Error{Errc::Environment, "out of memory"};
    }
  }

  // Fewer threads than asked for are slower, no failure.
  bool start_worker(Work work) {
    try {
      workers_.emplace_back([this, work = std::move(work)] { serve(work); });
      return true;
    } catch (const std::system_error&) {
      return false;
    }
  }

  void serve(const Work& work) {
    std::unique_lock lock(mutex_);
    for (;;) {
      work_waiting_.wait(lock, [this] { return closing_ || !waiting_.empty(); });
      if (closing_) return;
      Slot& slot = *waiting_.front();
      waiting_.pop_front();
      In item = std::move(*slot.in);
      lock.unlock();
      Result<Out> result = guarded(work, std::move(item));
      lock.lock();
      slot.out.emplace(std::move(result));
      slot_done_.notify_one();
    }
  }

  const size_t depth_;
  Work own_work_;
  mutable std::mutex mutex_;  // guards all below, except that only the owner resizes slots_
  std::condition_variable work_waiting_;
  std::condition_variable slot_done_;
  std::deque<Slot> slots_;
  std::deque<Slot*> waiting_;
  bool closing_ = false;
  std::optional<Error> error_;
  std::vector<std::jthread> workers_;  // last: they join before what they use dies
};

}  // namespace vmstream
