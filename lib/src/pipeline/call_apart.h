// SPDX-License-Identifier: MIT
// Calls that cannot be told to give up, made where nobody has to wait for their end.
#pragma once

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <system_error>
#include <thread>
#include <utility>

#include "base/unique_fd.h"
#include "io/wait.h"

namespace vmstream {

/// A call under way. It goes on by itself whatever becomes of this, and what it gives is dropped
/// where nobody takes it: so it owns all that it uses.
template <typename T>
class ApartCall {
 public:
  /// A process that may not have threads waits for the call here.
  static Result<ApartCall> begin(std::function<T()> call) {
    auto shared = std::make_shared<Shared>();
    shared->done.reset(::eventfd(0, EFD_CLOEXEC));
    if (!shared->done.is_open()) return system_error("eventfd", errno);
    shared->call = std::move(call);
    auto run = [shared] { shared->run(); };
    try {
      std::thread(run).detach();
    } catch (const std::system_error&) {
      run();
    }
    return ApartCall(std::move(shared));
  }

  /// Readable once it has returned; for poll().
  int descriptor() const { return shared_->done.get(); }
  bool has_returned() const {
    pollfd waiting{descriptor(), POLLIN, 0};
    return ::poll(&waiting, 1, 0) > 0;
  }
  /// What it gave, once, after it has returned.
  T take() {
    std::lock_guard lock(shared_->mutex);
    return std::move(*shared_->given);
  }

 private:
  struct Shared {
    std::function<T()> call;
    UniqueFd done;
    std::mutex mutex;
    std::optional<T> given;

    void run() {
      T result = call();
      call = {};  // what it owned goes before anybody hears of its end
      {
        std::lock_guard lock(mutex);
        given = std::move(result);
      }
      uint64_t one = 1;
      [[maybe_unused]] ssize_t told = ::write(done.get(), &one, sizeof one);
    }
  };

  explicit ApartCall(std::shared_ptr<Shared> shared) : shared_(std::move(shared)) {}

  std::shared_ptr<Shared> shared_;
};

/// What `call` gives, or the limit that strikes before: then the call goes on by itself, and what
/// it gives is dropped. So it owns all that it uses. `what` names the thing waited for.
template <typename T>
Result<T> call_apart(std::function<T()> call, const WaitLimits& limits, const char* what) {
  auto apart = ApartCall<T>::begin(std::move(call));
  if (!apart) return apart.error();
  if (auto ended = wait_ready(apart->descriptor(), POLLIN, limits, what); !ended) {
    return ended.error();
  }
  return apart->take();
}

}  // namespace vmstream
